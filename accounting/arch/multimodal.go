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
	return c.textModel(func(t *config) *Model { return t.importModel() })
}
