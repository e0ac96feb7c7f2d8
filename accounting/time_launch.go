package accounting

import "math"

// host adds the wait for the host where it starts kernels more slowly than the
// device runs them.
func (u *unitContext) host(f, b *passTime) {
	for _, p := range [...]*passTime{f, b} {
		busy := p.device() + float64(p.kernels*kernelGap)
		host := float64(p.kernels*u.stack.Launch) + p.host
		if u.routed.Path == RoutedFused {
			host = 0 // one graph for the step
		}
		p.launch = queued(busy, host) - p.device()
	}
}

// queued is the time of a pass whose kernels take the device a and the host b. The host
// waits for nothing and queues up to a thousand of them, so that the slower of the two
// is what counts; where they are of like length short kernels find the queue empty after
// long ones have filled it. The eighth-power mean, 9 % above the longer one when they
// are equal: unlike activities that share the device ([overlapped]), these two share
// nothing.
func queued(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b <= 0 {
		return a
	}
	r := b / a
	r *= r
	r *= r
	return float64(a * math.Sqrt(math.Sqrt(math.Sqrt(1+float64(r*r)))))
}

// kernelGap is the time between two kernels on the device, seconds: launch
// latency and tail that no queue hides.
const kernelGap = 1.5e-6
