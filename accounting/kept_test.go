package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// What explain lists tensor by tensor on a rank is the saved total that it reports,
// for every profile, kind of model, recompute, kernel and cut.
func TestListedTensorsAreTheSavedTotal(t *testing.T) {
	sp := true
	for _, profile := range ProfileNames() {
		for _, model := range []string{"llama-3-8b", "mixtral-8x7b", "deepseek-v2-lite", "gpt2-xl", "gemma-2-2b", "falcon-7b"} {
			for _, o := range []Options{
				{},
				{MicroBatch: 2, Recompute: "full"},
				{Recompute: "selective", Attention: "unfused"},
				{TP: 4, SP: &sp, MicroBatch: 2},
				{TP: 2, CP: 2, Dropout: "0.1"},
				{Loss: "chunked", Recipe: "autocast"},
			} {
				m, err := arch.Lookup(model, arch.Options{})
				require.NoError(t, err)
				o.Model, o.Profile, o.Context = m, profile, 512
				c, err := o.Resolve()
				require.NoError(t, err)
				k, err := c.Compile()
				require.NoError(t, err)
				var r Report
				if k.Evaluate(&c.Setting, &r); r.RuledOut() {
					continue
				}
				kept, err := c.Kept()
				require.NoError(t, err)
				var saved, copies int64
				for i := range kept {
					switch x := &kept[i]; {
					case x.Tensor.Copy:
						copies += x.Count * x.Bytes
					case !x.Tensor.Kernel:
						saved += x.Count * x.Bytes
					}
				}
				e, err := c.Explain(true)
				require.NoError(t, err)
				var listed int64
				for _, row := range e.Ledger {
					for _, x := range row.Tensors {
						if x.Kept == "saved" && !x.Copy && !x.Kernel {
							listed += row.Count * x.RankBytes
						}
					}
				}
				require.Equal(t, e.Memory.SavedTotalBytes, saved, "%s %s %+v", profile, model, c.Setting.Plan)
				require.Equal(t, saved, listed)
				require.Equal(t, e.Memory.WeightCopiesBytes, copies)
			}
		}
	}
}
