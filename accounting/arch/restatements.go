package arch

import (
	"encoding/json"
	"slices"
	"strings"
)

// A restatement is a second name under which configs repeat a size that the code
// of their model_type reads under another: nothing reads it, but where it says
// the same it changes nothing.
type restatement struct {
	keys []string
	of   func(m *Model, l *Layer) int64
}

var restatements = []restatement{
	{strings.Fields("num_heads n_head n_heads num_attn_heads attention_heads"), func(_ *Model, l *Layer) int64 { return l.Attention.Heads }},
	{strings.Fields("n_kv_heads num_kv_heads n_head_kv multi_query_group_num"), func(_ *Model, l *Layer) int64 { return l.Attention.KVHeads }},
	{strings.Fields("d_head head_size kv_channels attention_head_dim"), func(_ *Model, l *Layer) int64 { return l.Attention.HeadDim }},
	{strings.Fields("num_layers n_layer n_layers"), func(m *Model, _ *Layer) int64 { return m.Layers() }},
	{strings.Fields("n_embd n_embed d_model hidden_dim embed_dim"), func(m *Model, _ *Layer) int64 { return m.Hidden }},
	{strings.Fields("ffn_dim ffn_hidden_size ffn_embed_dim d_ff n_inner inner_dim"), func(_ *Model, l *Layer) int64 {
		if l.FFN == nil {
			return 0
		}
		return l.FFN.Width
	}},
}

// restates reports whether a key only repeats what the Model says in every layer.
func (m *Model) restates(key string, v *value) bool {
	n, ok := v.v.(json.Number)
	if !ok {
		return false
	}
	size, ok := exactInteger(n.String())
	if !ok || !size.IsInt64() {
		return false
	}
	for _, r := range restatements {
		if slices.Contains(r.keys, key) {
			return len(m.Kinds) > 0 && !slices.ContainsFunc(m.Kinds, func(l Layer) bool { return r.of(m, &l) != size.Int64() })
		}
	}
	return false
}
