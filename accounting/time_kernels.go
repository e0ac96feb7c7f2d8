package accounting

// kernels holds the constants that matrix products and collectives measured alone moved from their prior.
// It is written by the test TestKernels of headroom/sweep/validate, run with -update; that
// test holds it to the fit.
var kernels = []fittedValue{
	{"volta.link", 0.9089},
	{"ampere.matmul_16bit", 0.9344},
	{"ampere.link", 0.6642},
	{"hopper.matmul_16bit", 0.806},
	{"hopper.link", 0.7528},
	{"hopper.link_hop_seconds", 1.231e-06},
	{"blackwell.matmul_16bit", 0.7438},
	{"blackwell.link", 0.63},
	{"blackwell.link_hop_seconds", 3.316e-06},
	{"ada.matmul_16bit", 0.6392},
	{"ada.link", 0.1913},
	{"ada.link_hop_seconds", 0.0001488},
	{"blackwell-rtx.matmul_16bit", 0.9376},
	{"blackwell-rtx.link", 0.4107},
	{"blackwell-rtx.link_hop_seconds", 1.192e-05},
	{"cdna3.matmul_16bit", 0.5761},
	{"cdna3.link", 0.72},
	{"matmul_fp8", 0.8486},
	{"matmul_fp4", 0.789},
	{"link_latency_seconds", 2.385e-05},
	{"link_hop_seconds", 5.529e-06},
	{"nvls", 1.315},
	{"tile_fill", 105.2},
	{"grouped", 0.7827},
	{"network", 0.9368},
	{"network_latency_seconds", 0.0001804},
}
