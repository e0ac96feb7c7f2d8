package accounting

import "math"

// An Efficiency is the share of its printed rates that an architecture reaches
// in kernels.
type Efficiency struct {
	Name      string
	MatMul    float64 // large products in 16 bits and TF32, alone, of the printed peak
	Sustained float64 // [Calibration.Sustained], where it is measured; 0 = that
	Attention float64 // forward of fused attention, work under the mask only, of the 16-bit peak; 0 = see [Calibration.attention]
	Link      float64 // large rings, of the one-way scale-up rate
	LinkHop   float64 // [Calibration.LinkHop], where it is measured; 0 = that
}

// tileElements is the output tile of one compute unit, 128 × 256, that vendor
// libraries use for large products.
const tileElements = 128 * 256

// lastWave is the part of a wave of output tiles that is lost at the end of a product, on
// average over shapes: the last wave is as often nearly empty as nearly full.
const lastWave = 0.5

// product is the time of one matrix product rows×k by k×n in the recipe's
// format, or in 16 bits.
//
// Two losses of small shapes are smooth in the shape: the output tiles are dealt
// to the compute units in waves, of which the last is part empty; and each tile
// spends the time of some k filling its pipeline, more at a narrower format,
// whose arithmetic is faster and whose memory is not. Very large products gain
// nothing from either. The roofline of memory is the two inputs and the output
// passing once.
func (m *Machine) product(rows, n, k float64, narrow bool) float64 {
	if rows <= 0 || n <= 0 || k <= 0 {
		return 0
	}
	c := m.Calibration
	peak, format, bytes := m.Peak16, Format16, 2.0
	if m.Format == FormatTF32 {
		bytes = 4
	}
	if narrow {
		peak = m.Peak
		switch m.Format {
		case FormatFP8, FormatMXFP8:
			format = FormatFP8
		case FormatFP4:
			format = FormatFP4
		}
	}
	waves := rows * n / (m.ComputeUnits * tileElements)
	// Libraries fall back to tiles of 64 × 64 for small outputs; below one wave of
	// those, units stay idle.
	small := waves * tileElements / (64 * 64)
	ramp := (1 + lastWave/(waves+0.5)) * (1 + c.TileFill*peak/(m.Peak16*k)) * math.Sqrt(1+float64(0.25/(small*small)))
	if narrow && m.Format >= FormatFP8 {
		bytes = 1
	}
	share := m.efficiency().MatMul
	if format == Format16 {
		share *= m.sustained()
	} else {
		share *= c.Narrow[format]
	}
	busy := 2 * rows * n * k * ramp / (peak * m.clock() * share)
	traffic := (float64(bytes*(float64(rows*k)+float64(k*n))) + float64(2*rows*n)) / m.stream()
	return max(busy, traffic)
}

// ProductSeconds is the time of one matrix product rows×k by k×n, in the recipe's
// narrow format or in 16 bits; alone, for too short a time to meet the limit of
// power, or in a training step.
func (m *Machine) ProductSeconds(rows, n, k float64, narrow, alone bool) float64 {
	t := m.product(rows, n, k, narrow)
	if alone {
		t *= m.clock()
		if !narrow {
			t *= m.sustained()
		}
	}
	return t
}

// stream is the bandwidth that streaming kernels reach, bytes a second.
func (m *Machine) stream() float64 { return m.MemoryRate * m.Calibration.Memory }

// StreamSeconds is the time of reading and writing so many bytes of memory.
func (m *Machine) StreamSeconds(bytes float64) float64 { return bytes / m.stream() }

func (m *Machine) efficiency() *Efficiency { return &m.Calibration.Architectures[m.arch] }

// sustained is [Efficiency.Sustained].
func (m *Machine) sustained() float64 {
	if s := m.efficiency().Sustained; s > 0 {
		return s
	}
	return m.Calibration.Sustained
}

// attention is the share of the 16-bit peak that fused attention reaches forward. Where no
// training run tells it, it is to large products as on Ampere, which has the most runs.
func (c *Calibration) attention(a architecture) float64 {
	e, known := &c.Architectures[a], &c.Architectures[archAmpere]
	if e.Attention > 0 {
		return e.Attention
	}
	return known.Attention * e.MatMul / known.MatMul
}

// attention is the time of fused attention over flops of useful work, a context
// of s tokens and heads of width dims. Narrow heads leave the units waiting for
// the softmax, whose work does not shrink with them.
func (m *Machine) attention(flops, s, dims float64, backward bool) float64 {
	return m.attentionAs(m.arch, m.Peak16, flops, s, dims, backward)
}

// earlyAttention is [Machine.attention] of a kernel that knows Ampere's instructions
// alone, as FlashAttention 1 and 2: on Hopper it reaches of what these can reach what it
// reaches on Ampere. In training that is near the 35 % of an H100's peak that Shah et al.
// 2024 (abstract) name for FlashAttention 2.
func (m *Machine) earlyAttention(flops, s, dims float64, backward bool) float64 {
	if m.arch == archHopper {
		return m.attentionAs(archAmpere, m.Calibration.EarlyAttention*m.Peak16, flops, s, dims, backward)
	}
	return m.attention(flops, s, dims, backward)
}

// attentionAs is [Machine.attention] with the shares of an architecture of a peak.
func (m *Machine) attentionAs(a architecture, peak, flops, s, dims float64, backward bool) float64 {
	if flops <= 0 {
		return 0
	}
	share := m.Calibration.attention(a)
	if backward { // five products for two
		share, flops = share*m.Calibration.AttentionBackward, 2.5*flops
	}
	share *= s / (s + m.Calibration.AttentionRamp)
	if dims < 128 {
		share *= pow(dims/128, m.Calibration.AttentionWidth)
	}
	return flops * (1 - m.sparedExponentials(share, dims, backward)) / (peak * m.clock() * share)
}

// sparedExponentials is the part of the time of fused attention at that share of the peak
// that a part with twice Blackwell's exponentials has not. One exponential a score takes as
// long there as the 4·128 operations of its two products at the peak: 16 and 8,192 a
// clock and compute unit (Zadouri et al. 2026, FlashAttention-4); backward makes one again
// for its five products. What the products leave of the time bounds it.
func (m *Machine) sparedExponentials(share, dims float64, backward bool) float64 {
	if !m.FastExponentials {
		return 0
	}
	exponentials := 128 / dims // of the time of the two products
	if backward {
		exponentials /= 2.5
	}
	return min(exponentials*share, 1-share) / 2
}
