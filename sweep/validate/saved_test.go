package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const savedRows = `id,slug,model_type,precision,attention,dropout,batch,seq,saved_1_layer_bytes,saved_2_layers_bytes
saved-0012,arcee-afm-4.5b,arcee,bf16,sdpa,0,1,992,654811300,780858812
x,no-such-model-at-all,llama,bf16,sdpa,0,1,992,1,
y,llama-2-7b,llama,bf16,sdpa,0,one,992,1,
`

func TestSaved(t *testing.T) {
	header, _, _ := strings.Cut(savedRows, "\n")
	require.True(t, IsExact(header))
	require.False(t, IsExact("id,model_name,tp\n"))

	r, err := Exact("saved.csv", strings.NewReader(savedRows))
	require.NoError(t, err)
	require.Equal(t, 3, r.Measurements)
	require.Len(t, r.Rows, 4)
	for _, row := range r.Rows[:2] { // figures of PyTorch's own autograd, see the table's README
		require.True(t, row.Scored)
		require.Zero(t, row.Error)
	}
	require.Contains(t, r.Rows[2].Skipped, "no-such-model-at-all")
	require.Contains(t, r.Rows[3].Skipped, `batch: "one"`)
	require.Equal(t, 2, r.Memory.Scored)

	_, err = Exact("saved.csv", strings.NewReader("id,slug,saved_1_layer_bytes\n"))
	require.EqualError(t, err, "saved.csv:1:1: there is no column precision\nsaved.csv:1:1: there is no column attention\nsaved.csv:1:1: there is no column batch\nsaved.csv:1:1: there is no column seq")
}

// Rows of Megatron-Core's own run; the second is no case.
const moduleRow = `id,model,hidden,layers_run,heads,kv_heads,ffn,swiglu,vocab,dropout,tp,sequence_parallel,param_dtype,recompute,attention,softmax,batch,seq,per_layer_bytes,norm1_bytes,qkv_bytes,core_attention_bytes,head_and_loss_bytes,embedding_and_shared_bytes,params_per_rank
meg-002,Llama-2-7B,4096,3,32,32,11008,yes,32000,0.0,2,yes,bf16,none,flash,,1,2048,153755672,8392704,8388608,50462744,147871744,18432,434663424
x,Llama-2-7B,4096,3,32,32,11008,maybe,32000,0.0,2,yes,bf16,none,flash,,1,2048,153755672,,,,,,
`

func TestModules(t *testing.T) {
	r, err := Exact("megatron_saved.csv", strings.NewReader(moduleRow))
	require.NoError(t, err)
	require.Empty(t, r.Bad)
	require.Len(t, r.Rows, 8)
	for _, row := range r.Rows[:7] {
		require.True(t, row.Scored, row.Metric)
		require.InDelta(t, row.Measured, row.Predicted, 24, row.Metric) // the random state of flash attention
	}
	require.Contains(t, r.Rows[7].Skipped, `swiglu: "maybe" is neither yes nor no`)
}

const peakRow = `id,model,hidden,layers,heads,kv_heads,ffn,vocab,tied,world,strategy,batch,seq,iteration,peak_bytes,peak_phase,extra
fsdp-005,llama-125M,768,12,12,12,2048,32000,no,8,ddp,4,2048,2,9128002048,backward::aten._log_softmax_backward_data.default,1
`

func TestPeaks(t *testing.T) {
	r, err := Exact("fsdp_peaks.csv", strings.NewReader(peakRow))
	require.NoError(t, err)
	require.Len(t, r.Bad, 1)
	require.Contains(t, r.Bad[0], `column "extra" is not known`)
	require.Len(t, r.Rows, 1)
	require.InDelta(t, 0, r.Rows[0].Error, 0.001)
	require.Equal(t, "loss", r.Rows[0].Phase)
}
