package accounting

// accumulate is the time in which so many gradients of a micro-batch are added to those
// of the ones before it, where no product does that itself (Megatron-LM's does since 2022;
// --no-gradient-accumulation-fusion turns that off): autograd reads both and writes the
// sum, in the weights' type (torch/csrc/autograd/functions/accumulate_grad.h); a hook
// reads the 16-bit gradient and reads and writes an fp32 one
// (deepspeed/runtime/bf16_optimizer.py, update_hp_grads). With gradients sharded each rank
// adds its shard, of which little is left. Megatron-LM of 2021 had such a pass as well,
// but its profile stands for later releases too and is not charged. Under torch.amp the
// product makes a gradient of 16 bits, which can not be added to an fp32 one before it is
// widened: that takes the pass in every framework.
func (u *unitContext) accumulate(gradients float64) float64 {
	if !(u.profile.Accumulates || u.r.Precision.Autocast) || u.x.Plan.ZeRO >= 2 {
		return 0
	}
	r := &u.r.Precision
	bytes := 3 * float64(r.WeightBytes)
	if r.widens() {
		bytes = 2 + 4 + 4
	}
	return bytes * gradients / u.m.stream()
}

// widens says that 16-bit gradients are added to fp32 ones, the first micro-batch's to
// zeros.
func (p *Precision) widens() bool { return p.WeightBytes == 2 && !p.Half && p.GradientBytes >= 4 }
