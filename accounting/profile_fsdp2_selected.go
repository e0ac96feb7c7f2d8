package accounting

import "headroom/accounting/arch"

// keepTokens attaches a saved tensor of a token to a component.
type keepTokens func(component, name string, dt DType, shard Shard, shape ...Expr)

// A product is a matrix product of a layer of torchtitan, by what it makes.
type product struct {
	component, name string
	shard           Shard
	width           Expr
}

// products lists the matrix products of a layer that its selective recompute counts,
// in the order they run. Grouped products of experts and the router's are none.
func (t TorchTitan) products(r Recipe, l *arch.Layer) (out []product) {
	add := func(component, name string, shard Shard, width Expr) {
		out = append(out, product{component, name, shard, width})
	}
	q, k, v := Prod(SymH, SymK), Prod(SymG, SymK), Prod(SymG, SymKV)
	switch a := &l.Attention; {
	case a.MLA != nil:
		if a.MLA.QRank > 0 {
			add("q_down", "latent", Tokens, Prod(SymRQ))
			add("q_up", "output", TokensTP, q)
		} else {
			add("q", "output", TokensTP, q)
		}
		add("kv_down", "latent", Tokens, Prod(SymRKV).Plus(Prod(SymRope)))
		add("kv_up", "kv_up_output", TokensTP, Prod(SymH, SymNope).Plus(Prod(SymH, SymKV)))
	case t.grouped(r): // one fused matrix, whose parts tensor parallelism may cut apart
		add("qkv", "qkv_output", TokensTP, q)
	default:
		add("qkv", "q", TokensTP, q)
		add("qkv", "k", TokensKV, k)
		add("qkv", "v", TokensKV, v)
	}
	add("out", "output", Tokens, symD)
	ffn := func(prefix string, f *arch.FFN, width Expr) {
		if f.Gated {
			add(prefix+"gate", "output", TokensTP, width)
		}
		add(prefix+"up", "output", TokensTP, width)
		add(prefix+"down", "output", Tokens, symD)
	}
	switch {
	case l.FFN != nil:
		ffn("", l.FFN, Prod(SymF))
	case l.MoE.Shared != nil:
		ffn("shared_", l.MoE.Shared, Prod(SymFS))
	}
	return out
}

// selected writes what torchtitan's op-level selection keeps beside a layer's input:
// the outputs of every second matrix product and of attention, the choice of experts,
// and what reduce-scatter and all-to-all bring (torchtitan 0.3,
// distributed/activation_checkpoint.py, SelectiveAC).
func (t TorchTitan) selected(r Recipe, s *Section, half DType, keep keepTokens) {
	l := s.Layer
	last := "down"
	for i, p := range t.products(r, l) {
		if i%2 == 0 {
			keep(p.component, p.name, half, p.shard, p.width)
			if p.name == "qkv_output" {
				keep(p.component, p.name+"_kv", half, TokensKV, Prod(SymG, SymK).Plus(Prod(SymG, SymKV)))
			}
		}
	}
	keep("out", "input", half, TokensTP, Prod(SymH, SymKV))
	keep("softmax", "log_sum_exp", FP32, TokensTP, Prod(SymH))
	if l.MoE != nil {
		last = "shared_down"
		keep("router", "choice", Int64, TokensEPIn, Prod(SymTopK))
		keep("expert_up", "exchanged_input", half, TokensEPIn, Prod(SymTopK, SymD))
		s.when("expert_up", 1, When{MinEP: 2})
		keep("expert_down", "exchanged_output", half, TokensEPIn, Prod(SymTopK, SymD))
		s.when("expert_down", 1, When{MinEP: 2})
	}
	for _, name := range []string{"out", last} {
		if s.Component(name) != nil {
			keep(name, "reduced", half, TokensSP, symD)
			s.when(name, 1, When{MinTP: 2})
		}
	}
}

// repeated lists, negative, what selection kept and a layer that runs again copies and
// frees: all that is not kept without recompute. torchtitan 0.1 stops before the last
// product.
func (t TorchTitan) repeated(r Recipe, s, replay *Section) (out []Tensor) {
	if r.Recompute.Mode != RecomputeSelective {
		return nil
	}
	whole := map[string]bool{}
	for i := range replay.Components {
		for _, x := range replay.Components[i].Saved {
			whole[x.identity()] = true
		}
	}
	for i := range s.Components {
		c := &s.Components[i]
		for _, x := range c.Saved {
			if x.Name == layerInput || whole[x.identity()] || c.Name == "down" && !t.grouped(r) {
				continue
			}
			x.Shape = append([]Expr{x.Shape[0].Scale(-1)}, x.Shape[1:]...)
			out = append(out, x)
		}
	}
	return out
}

// latentAttention writes what torchtitan's latent attention keeps before its kernel:
// queries and keys are put together anew, values are a view of the last
// up-projection's result (models/deepseek_v3/model.py).
func (TorchTitan) latentAttention(a *arch.Attention, half DType, keep keepTokens) {
	if a.MLA.QRank > 0 {
		keep("q_down", "input", half, Tokens, symD)
		keep("q_down", "latent", half, Tokens, Prod(SymRQ))
		keep("q_latent_norm", "statistics", FP32, Tokens, Int(1))
		keep("q_up", "normalised_latent", half, Tokens, Prod(SymRQ))
	} else {
		keep("q", "input", half, Tokens, symD)
	}
	keep("kv_down", "latent", half, Tokens, Prod(SymRKV).Plus(Prod(SymRope)))
	keep("kv_latent_norm", "statistics", FP32, Tokens, Int(1))
	keep("kv_up", "normalised_latent", half, Tokens, Prod(SymRKV))
	keep("kv_up", "q", half, TokensTP, Prod(SymH, SymK))
	keep("kv_up", "k", half, TokensTP, Prod(SymH, SymK))
	keep("kv_up", "kv_up_output", half, TokensTP, Prod(SymH, SymNope).Plus(Prod(SymH, SymKV)))
}
