package arch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The model_types of the specification (accounting section 3), each with the
// public code its rules follow.
func TestTypes(t *testing.T) {
	for _, want := range strings.Fields(`openai-gpt gpt2 gpt_neo gptj gpt_neox codegen opt bloom falcon mpt gpt_bigcode
		starcoder2 llama mistral mixtral qwen2 qwen2_moe qwen3 qwen3_moe gemma gemma2 gemma3_text phi phi3 phimoe stablelm
		persimmon olmo olmo2 olmo3 olmoe cohere cohere2 nemotron arcee apertus smollm3 granite granitemoe exaone exaone4
		internlm2 chatglm glm glm4 glm4_moe dbrx bailing_moe deepseek deepseek_v2 deepseek_v3 kimi_k2 llama4_text gpt_oss
		ernie4_5 ernie4_5_moe minimax_m2 mimo dots1 bailing_moe_v2 hunyuan_v1_moe seed_oss bert roberta t5`) {
		require.Contains(t, Types(), want)
		require.NotEmpty(t, TypeSource(want))
	}
	require.Empty(t, TypeSource("rwkv"))
}
