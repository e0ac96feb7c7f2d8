package accounting

// stageLayers is the range of layers that chunk k of pp·vpp chunks holds. Layers
// are dealt evenly; where they do not divide but two more would, the first and
// the last chunk hold one layer less, the embedding and the head standing in for
// them (Megatron-Core's account_for_embedding_in_pipeline_split and
// account_for_loss_in_pipeline_split, as Llama 3.1 405B was trained).
func stageLayers(layers, chunks, k int64) (lo, hi int64) {
	if layers%chunks != 0 && (layers+2)%chunks == 0 && layers+2 > chunks {
		each := (layers + 2) / chunks
		lo, hi = k*each-1, (k+1)*each-1
		return max(lo, 0), min(hi, layers)
	}
	return k * layers / chunks, (k + 1) * layers / chunks
}
