package pick

import (
	"headroom/accounting"
	"headroom/hardware"
)

// ModelTimer times steps by the model of package accounting.
func ModelTimer(a hardware.Accelerator, r *accounting.Recipe) (StepTimer, error) {
	m, err := accounting.NewMachine(a, &r.Precision, 0)
	if err != nil {
		return nil, err
	}
	return func(c *accounting.Compiled, x *accounting.Setting) Step {
		var t accounting.Time
		c.Time(x, m, &t)
		return Step{t.StepSeconds, t.LowSeconds, t.HighSeconds, t.TokensPerSecondPerGPU, t.MFU}
	}, nil
}
