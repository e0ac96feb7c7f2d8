package accounting

import "headroom/accounting/arch"

// seedProfile is the hand calculation of accounting.md section 2, the sheet that
// this project starts from: fp32 everywhere, nothing recomputed, attention
// scores stored, one copy of every intermediate result, no dropout. Its sum
// leaves out the token embedding, as the sheet does.
var seedProfile = Profile{
	Name:        "seed",
	Summary:     "the pencil-and-paper sheet: fp32, every intermediate once, unfused attention, token embedding left out",
	Precision:   "fp32",
	Optimizer:   "adamw",
	Attention:   Unfused,
	Convention:  FullSquare,
	Saved:       seedSaved,
	Leave:       []string{"token_embedding"},
	NoRecompute: true,
	memory:      memoryRules{style: styleSheet},
}

// seedSaved is the activation column of accounting.md 2.2.
func seedSaved(m *arch.Model, r Recipe, s *Section) {
	const sheet = "accounting.md 2.2"
	bsd := []Expr{Prod(SymB), Prod(SymS), symD}
	q := []Expr{Prod(SymB), Prod(SymS), Prod(SymH, SymK)}
	kv := []Expr{Prod(SymB), Prod(SymS), Prod(SymG, SymK)}
	v := []Expr{Prod(SymB), Prod(SymS), Prod(SymG, SymKV)}
	scores := []Expr{Prod(SymB), Prod(SymH), Prod(SymS), Prod(SymS)}
	keep := func(component, name string, shape []Expr) {
		s.keep(component, Tensor{Name: name, Shape: shape, DType: r.Precision.Compute, Shard: Tokens, Source: sheet})
	}
	switch s.Role {
	case RoleEncoder, RoleLayer:
		keep("qkv", "input", bsd)
		keep("qkv", "q", q)
		keep("qkv", "k", kv)
		keep("qkv", "v", v)
		if r.Attention == Unfused {
			keep("qk", "scores", scores)
			keep("softmax", "probabilities", scores)
		}
		keep("av", "output", []Expr{Prod(SymB), Prod(SymS), Prod(SymH, SymKV)})
		keep("out", "output", bsd)
		for _, prefix := range []string{"", "shared_", "expert_"} {
			width, uses := Prod(SymF), Prod(SymB)
			switch prefix {
			case "shared_":
				width = Prod(SymFS)
			case "expert_":
				width, uses = Prod(SymFE), Prod(SymB, SymTopK)
			}
			wide := []Expr{uses, Prod(SymS), width}
			keep(prefix+"gate", "output", wide)
			keep(prefix+"up", "output", wide)
			keep(prefix+"activation", "output", wide)
			keep(prefix+"product", "output", wide)
			keep(prefix+"down", "output", []Expr{uses, Prod(SymS), symD})
		}
	case RoleHead:
		keep("head", "logits", []Expr{Prod(SymB), Prod(SymS), symV})
	}
}
