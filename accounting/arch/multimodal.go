package arch

var _ = register(&family{
	types:  []string{"mistral3", "llava", "llava_next", "internvl_chat", "kimi_vl", "aya_vision", "paligemma"},
	source: "the modelling code of the language model inside",
	build:  buildMultimodal,
})

// buildMultimodal reads the language model of a config that holds one beside a
// vision tower, in text_config or llm_config, by that model's own model_type.
func buildMultimodal(c *config, _ string) *Model {
	if !c.has("text_config") && c.has("llm_config") {
		c.aliases("text_config", "llm_config")
	}
	return c.textModel("")
}

// textModel reads the language model of a multimodal config: its text_config,
// whose model_type is def where it states none. The encoders of images and sound
// beside it are not counted.
func (c *config) textModel(def string) *Model {
	if !c.has("text_config") {
		c.fail("text_config", "is missing: this model_type keeps its language model there")
		return &Model{}
	}
	c.ignore(c.obj.keys...) // of the vision tower and the projector
	t := c.sub("text_config")
	if v := c.obj.at["tie_word_embeddings"]; v != nil && !t.has("tie_word_embeddings") {
		t.obj.at["tie_word_embeddings"] = v
	}
	if def != "" && !t.has("model_type") {
		t.obj.at["model_type"] = &value{line: t.self.line, col: t.self.col, v: def}
	}
	c.note("only the language model (text_config) is counted, without vision or audio towers")
	return t.importModel()
}
