package arch

var _ = register(&family{
	types:  []string{"mimo"},
	source: "XiaomiMiMo/MiMo-7B-Base modeling_mimo.py",
	build:  buildMiMo,
})

// buildMiMo: Qwen2's body, biases on q, k and v always, with prediction layers.
func buildMiMo(c *config, modelType string) *Model {
	m := buildQwen2(c, modelType)
	m.MTP = predictionLayers(c.count(0, "num_nextn_predict_layers"), m.Hidden, m.Kinds[0])
	return m
}
