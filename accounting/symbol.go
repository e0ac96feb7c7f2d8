package accounting

// A Symbol is one letter of the algebra. Its value comes from the model, the
// workload or the plan; B and S are the only ones that change within a study of
// one model, which is why a ledger compiles to polynomials in B and S.
type Symbol uint8

// The symbols, in the order in which a monomial prints them.
const (
	SymB    Symbol = iota // micro-batch, sequences
	SymH                  // query heads
	SymS                  // context length, tokens
	SymSpan               // keys one query looks at, on average: S, S/2 or the sliding-window mean (FLOPs only)
	SymV                  // vocabulary rows
	SymD                  // model width
	SymEmb                // width of the token table where it is not d
	SymG                  // key/value heads
	SymK                  // query and key head width
	SymKV                 // value head width
	SymF                  // feed-forward width
	SymFE                 // feed-forward width of one routed expert
	SymFS                 // feed-forward width of the shared experts together
	SymE                  // routed experts
	SymTopK               // experts a token uses
	SymRQ                 // MLA query latent width
	SymRKV                // MLA key/value latent width
	SymNope               // MLA head width without position
	SymRope               // rotated part of a head (MLA: of the shared key)
	SymPos                // rows of the learned position table
	NumSymbols
)

var symbolText = [NumSymbols]string{
	SymB: "B", SymH: "h", SymS: "S", SymSpan: "S̄", SymV: "V", SymD: "d", SymEmb: "d_emb", SymG: "g",
	SymK: "d_h", SymKV: "d_v", SymF: "f", SymFE: "f_e", SymFS: "f_s", SymE: "E", SymTopK: "K",
	SymRQ: "r_q", SymRKV: "r_kv", SymNope: "d_n", SymRope: "d_r", SymPos: "P",
}

// String is the letter people write.
func (s Symbol) String() string { return symbolText[s] }

// Values gives every symbol its number.
type Values [NumSymbols]int64
