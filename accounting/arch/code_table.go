package arch

import (
	"encoding/json"
	"slices"
)

// Shapes of code that several families share.
var (
	layerNormCode = Code{Norm: NormLayer, HeadNorm: NormLayer}
	gemmaCode     = Code{Norm: NormRMSPlusOne, HeadNorm: NormRMSPlusOne}
	bertCode      = Code{Norm: NormLayer, HeadNorm: NormLayer, Softmax: SoftmaxNative, Positions: PositionsBatch, HeadTransform: true}
	cohereCode    = Code{Norm: NormLayerManual, HeadNorm: NormLayerManual, Rope: RopeCode{Back: true}}
	olmo2Code     = Code{Norm: NormRMSWide, HeadNorm: NormRMSWide, Rope: RopeCode{Tables: TablesFP32, Back: true}}
	glmCode       = Code{FusedGateUp: true, Rope: RopeCode{PerLayer: 2, Cat: true}}
)

// codes is the table of modelling codes that differ from llama's, by
// model_type; each follows transformers/models/<type>/modeling_<type>.py.
var codes = map[string]Code{
	"gemma":       gemmaCode,
	"gemma2":      gemmaCode.with(func(k *Code) { k.EagerOnly = true }),
	"gemma3_text": gemmaCode.with(func(k *Code) { k.Rope.ByKind = true }),
	"olmo":        {Norm: NormLayerFP32, Rope: RopeCode{Tables: TablesFP32, Back: true}},
	"olmo2":       olmo2Code,
	"olmo3":       olmo2Code,
	"cohere":      cohereCode,
	"cohere2":     cohereCode,
	"glm":         glmCode,
	"glm4":        glmCode,
	"ernie4_5":    {Rope: RopeCode{Tables: TablesFP32, PerLayer: 2, Back: true}},
	"nemotron":    {Norm: NormLayerPlusOne, Rope: RopeCode{Cat: true}},
	"phi3":        {FusedQKV: true, FusedGateUp: true, Rope: RopeCode{Cat: true}},

	"phi":         layerNormCode.with(func(k *Code) { k.Rope.Cat = true }),
	"stablelm":    layerNormCode.with(func(k *Code) { k.Rope.Cat = true }),
	"persimmon":   layerNormCode.with(func(k *Code) { k.FusedQKV, k.Rope.Cat = true, true }),
	"gpt_neox":    layerNormCode.with(func(k *Code) { k.FusedQKV, k.Rope.Cat = true, true }),
	"starcoder2":  layerNormCode,
	"gpt2":        layerNormCode.with(func(k *Code) { k.FusedQKV, k.Softmax = true, SoftmaxNative }),
	"gpt_bigcode": layerNormCode.with(func(k *Code) { k.FusedQKV = true }),
	"opt":         layerNormCode.with(func(k *Code) { k.Positions = PositionsBatch }),
	"bloom":       layerNormCode.with(func(k *Code) { k.FusedQKV, k.EagerOnly = true, true }),
	"mpt":         layerNormCode.with(func(k *Code) { k.FusedQKV, k.EagerOnly, k.MaskFill = true, true, true }),
	"falcon": layerNormCode.with(func(k *Code) {
		k.FusedQKV, k.ExplicitMask, k.BiasAfter, k.Softmax = true, true, true, SoftmaxHidden
	}),
	"openai-gpt": layerNormCode.with(func(k *Code) {
		k.FusedQKV, k.EagerOnly, k.Softmax, k.Positions = true, true, SoftmaxNative, PositionsBuffer
	}),
	"gpt_neo": layerNormCode.with(func(k *Code) { k.EagerOnly, k.Scores, k.Softmax = true, ScoresFP32, SoftmaxNative }),
	"gptj": layerNormCode.with(func(k *Code) {
		k.EagerOnly, k.Scores, k.Softmax, k.Rope = true, ScoresFP32, SoftmaxNative, RopeCode{Tables: TablesCompute, PerLayer: 4}
	}),
	"codegen": layerNormCode.with(func(k *Code) {
		k.FusedQKV, k.KV = true, KVCopied
		k.EagerOnly, k.Scores, k.Softmax, k.Rope = true, ScoresFP32, SoftmaxNative, RopeCode{Tables: TablesFP32, PerLayer: 4}
	}),

	"bert":        bertCode.with(func(k *Code) { k.Positions = PositionsBuffer }),
	"roberta":     bertCode,
	"xlm-roberta": bertCode,
	"camembert":   bertCode,

	"mixtral":      {Router: RouterSoftmax, NormTopK: true},
	"qwen2_moe":    {Router: RouterSoftmaxNarrow},
	"qwen3_moe":    {Router: RouterSoftmaxNarrow},
	"olmoe":        {Router: RouterSoftmaxNarrow},
	"granitemoe":   {Router: RouterTopSoftmax},
	"phimoe":       layerNormCode.with(func(k *Code) { k.Router = RouterSparseMixer }),
	"ernie4_5_moe": {Router: RouterSoftmaxClamped, NormTopK: true, Rope: RopeCode{Tables: TablesFP32, PerLayer: 2, Back: true}},
	"deepseek_v2":  {Router: RouterSoftmaxFP32, RouterUp: true, Rope: RopeCode{Tables: TablesComplex, Back: true}},
	"deepseek_v3":  {Router: RouterSigmoidFP32, RouterUp: true, NormTopK: true},
	"kimi_k2":      {Router: RouterSigmoidFP32, RouterUp: true, NormTopK: true},
	"glm4_moe":     {Router: RouterSigmoidFP32, RouterUp: true, NormTopK: true, Rope: RopeCode{Cat: true}},
	"dots1":        {Router: RouterSigmoidFP32, RouterUp: true},
	"minimax_m2":   {Router: RouterSigmoid, NormTopK: true, Rope: RopeCode{Cat: true}},

	"hunyuan_v1_moe": {Router: RouterSoftmaxBack, NormTopK: true, HeadNormLate: true},
	"llama4_text":    {Router: RouterDense, Softmax: SoftmaxNative, HeadNorm: NormL2, HeadNormLate: true, Rope: RopeCode{Tables: TablesComplex, Back: true}},
	"gpt_oss":        {Router: RouterTopNative, Norm: NormRMSWide, EagerOnly: true, Softmax: SoftmaxNative, Rope: RopeCode{Half: true}},
}

func (k Code) with(change func(*Code)) Code {
	change(&k)
	return k
}

// code is the modelling code of a config: that of its model_type, with what its
// own keys change.
func (c *config) code(m *Model) Code {
	k := codes[m.Type]
	switch m.Type {
	case "falcon":
		k.ALiBiMask = c.flag(false, "alibi")
		k.OneDropout = c.flag(false, "new_decoder_architecture") || c.flag(true, "parallel_attn")
		switch {
		case c.flag(false, "new_decoder_architecture"):
			k.KV = KVExpanded
		case c.flag(true, "multi_query"):
			k.KV = KVPicked
		}
	case "gpt2":
		if c.flag(false, "reorder_and_upcast_attn") {
			k.Scores = ScoresUpcast
		}
	case "deepseek_v2":
		k.Grouped = c.text("greedy", "topk_method") == "group_limited_greedy"
	}
	k.NormTopK = c.flag(k.NormTopK, "norm_topk_prob")
	k.ClipQKV = c.has("clip_qkv")
	k.Dropout = c.dropout(m.Type)
	if m.Type == "falcon" && !k.ALiBiMask {
		k.Dropout.Attention = 0 // only the ALiBi path has it
	}
	return k
}

// Which codes have dropout where; attention dropout is everywhere.
var (
	embeddingDropout = []string{"phi", "gpt_neox", "starcoder2", "gpt_neo", "gptj", "codegen", "gpt_bigcode", "gpt2", "openai-gpt", "bert", "roberta", "xlm-roberta", "camembert"}
	residualDropout  = []string{
		"phi", "phi3", "gpt_neox", "starcoder2", "falcon", "bloom", "mpt", "opt", "gpt_neo", "seed_oss", "gptj", "codegen", "gpt_bigcode", "gpt2", "openai-gpt",
		"bert", "roberta", "xlm-roberta", "camembert",
	}
	ffnDropout = []string{"stablelm", "persimmon"}
	// tenth are the model_types whose rates are 0.1 where the config has none.
	tenth = []string{"gpt2", "gpt_bigcode", "openai-gpt", "seed_oss", "bert", "roberta", "xlm-roberta", "camembert"}
)

func (c *config) dropout(modelType string) Dropout {
	def := 0.0
	if slices.Contains(tenth, modelType) {
		def = 0.1
	}
	d := Dropout{
		Attention: c.rate(def, "attention_dropout", "attn_pdrop", "attention_probs_dropout_prob"),
		Residual:  c.rate(def, "resid_pdrop", "residual_dropout", "resid_dropout", "hidden_dropout", "hidden_dropout_prob"),
		Embedding: c.rate(def, "embd_pdrop", "embedding_dropout", "embed_dropout"),
	}
	switch modelType {
	case "gpt_neox", "bert", "roberta", "xlm-roberta", "camembert":
		d.Embedding = d.Residual
	case "opt":
		d.Residual = c.rate(0.1, "dropout")
	case "mpt":
		if a, ok := c.obj.at["attn_config"]; ok {
			d.Attention = numberIn(a, "attn_pdrop")
		}
	}
	d.FFN = d.Residual
	if !slices.Contains(embeddingDropout, modelType) {
		d.Embedding = 0
	}
	if !slices.Contains(residualDropout, modelType) {
		d.Residual = 0
		if !slices.Contains(ffnDropout, modelType) {
			d.FFN = 0
		}
	}
	return d
}

// numberIn is a number inside an object that its importer has read already.
func numberIn(v *value, key string) float64 {
	if o, ok := v.v.(*object); ok {
		if w := o.at[key]; w != nil {
			if n, ok := w.v.(json.Number); ok {
				f, _ := n.Float64()
				return f
			}
		}
	}
	return 0
}
