package accounting

// torchtuneProfile is torchtune: plain PyTorch as Hugging Face's, but for compilation,
// which takes layer by layer before these are put into their checkpoints (torchtune
// 0.6.1, training/_compile.py, and recipes/full_finetune_single_device.py,
// _setup_model). Its own logits are upcast outside of that (modules/transformer.py,
// unembed).
var torchtuneProfile = func() Profile {
	p := torchEagerProfile
	p.Name, p.Summary = "torchtune", "torchtune 0.6: as torch-eager, but compiled layer by layer"
	p.LayerCompile = true
	return p
}()
