package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"headroom/sweep"
)

// clearToEnd erases the rest of a terminal's line, what the terminal echoed (^C)
// included. A terminal that cannot (TERM=dumb) is given plain lines.
const clearToEnd = "\x1b[K"

// A progress tells on standard error how far a sweep is. One goroutine draws; the
// workers only count. It also owns the stream while it draws, so that a log line
// never lands inside of a redrawn one.
type progress struct {
	style string // tty, plain, json or none
	to    *stream
	count *sweep.Progress
	begun time.Time
	log   *logStream // shares the stream

	mu    sync.Mutex
	drawn bool // a line is on the screen
	quit  chan struct{}
	done  chan struct{}
}

// progressStyle settles "auto": a redrawn line for a person, plain lines for a log.
func (s *state) progressStyle() string {
	switch {
	case s.Quiet:
		return "none"
	case s.Progress != "auto":
		return s.Progress
	case s.Stderr.TTY:
		return "tty"
	default:
		return "plain"
	}
}

func (s *state) startProgress(count *sweep.Progress) *progress {
	p := &progress{log: s.logTo, style: s.progressStyle(), to: s.Stderr, count: count, begun: time.Now(), quit: make(chan struct{}), done: make(chan struct{})}
	s.logTo.through(p)
	go p.run()
	return p
}

// run draws until it is stopped: on a screen ten times a second after half a
// second, into a log every thirty seconds.
func (p *progress) run() {
	defer close(p.done)
	period := map[string]time.Duration{"tty": 100 * time.Millisecond, "plain": 30 * time.Second, "json": time.Second}[p.style]
	if period == 0 {
		<-p.quit
		return
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			p.clear()
			return
		case now := <-tick.C:
			if p.style != "tty" || now.Sub(p.begun) >= 500*time.Millisecond {
				p.draw(now)
			}
		}
	}
}

// stop ends the drawing; afterwards the stream is free. A machine is told the
// end, however short the sweep was.
func (p *progress) stop() {
	close(p.quit)
	<-p.done
	p.log.through(nil)
	if p.style == "json" {
		p.draw(time.Now())
	}
}

// say writes a line of its own between two drawings.
func (p *progress) say(text string) {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.style == "json" {
		p.encode(struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}{"note", text})
		return
	}
	fmt.Fprintln(p.to, text)
}

// Write takes a line of the log.
func (p *progress) Write(line []byte) (int, error) {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to.Write(line)
}

// A logStream is where the log goes: standard error, while a progress draws there
// through it.
type logStream struct {
	mu     sync.Mutex
	to     io.Writer
	shared *progress
}

func (l *logStream) through(p *progress) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shared = p
}

func (l *logStream) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared != nil {
		return l.shared.Write(line)
	}
	return l.to.Write(line)
}

// encode writes an event. The stream's own errors are nobody's to handle: the
// sweep goes on.
func (p *progress) encode(event any) {
	e := json.NewEncoder(p.to)
	e.SetEscapeHTML(false)
	_ = e.Encode(event)
}

func (p *progress) draw(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	snap := p.count.Snapshot()
	elapsed := now.Sub(p.begun)
	switch p.style {
	case "json":
		p.encode(struct {
			Type    string  `json:"type"`
			Seconds float64 `json:"seconds"`
			sweep.Snapshot
		}{"progress", elapsed.Seconds(), snap})
	case "plain":
		fmt.Fprintln(p.to, progressLine(snap, elapsed, 0))
	case "tty":
		_, _ = io.WriteString(p.to, "\r"+progressLine(snap, elapsed, p.to.width()-1)+clearToEnd)
		p.drawn = true
	}
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_, _ = io.WriteString(p.to, "\r"+clearToEnd)
		p.drawn = false
	}
}

// progressLine is 412.3M/1.000G cases 41.2 % · 3.900M/s · 2m31s left · 98.2 % fit ·
// best llama-3.1-8b on 64×h100-sxm, $31,400 · parts 41/100; as much of it as goes into
// width, 0 for all.
func progressLine(snap sweep.Snapshot, elapsed time.Duration, width int) string {
	fields := []string{fmt.Sprintf("%s/%s cases %s", short(float64(snap.Cases)), short(float64(snap.CasesTotal)), shareOf(snap.Cases, snap.CasesTotal))}
	if rate := float64(snap.Cases) / elapsed.Seconds(); snap.Cases > 0 && elapsed > 0 {
		fields = append(fields, short(rate)+"/s", span(float64(snap.CasesTotal-snap.Cases)/rate)+" left")
	}
	fields = append(fields, shareOf(snap.Fits, snap.Cases)+" fit")
	if snap.InternalError > 0 {
		fields = append(fields, fmt.Sprintf("%d failed", snap.InternalError))
	}
	line := strings.Join(fields, " · ")
	// The rest is left out, or said shorter, where the line is full.
	add := func(ways ...string) {
		for _, way := range ways {
			if longer := line + " · " + way; width <= 0 || utf8.RuneCountInString(longer) <= width {
				line = longer
				return
			}
		}
	}
	if b := snap.Best; b != nil {
		figure := bestFigure(b)
		add("best "+b.Model+" on "+bestWhere(b)+", "+figure, "best "+bestWhere(b)+", "+figure, "best "+figure)
	}
	parts := fmt.Sprintf("parts %d/%d", snap.Parts, snap.PartsTotal)
	if snap.Resumed > 0 {
		add(fmt.Sprintf("%s (%d before)", parts, snap.Resumed), parts)
	} else {
		add(parts)
	}
	if r := []rune(line); width > 0 && len(r) > width {
		line = string(r[:width])
	}
	return line
}

// bestWhere is 64×h100-sxm.
func bestWhere(b *sweep.Best) string {
	if b.GPUs > 1 {
		return fmt.Sprintf("%d×%s", b.GPUs, b.Accelerator)
	}
	return b.Accelerator
}

// bestFigure is what the best case is best in.
func bestFigure(b *sweep.Best) string {
	switch {
	case b.CostUSD > 0:
		return "$" + thousands(int64(math.Round(b.CostUSD)))
	case b.TokensPerSecondPerGPU > 0:
		return short(b.TokensPerSecondPerGPU) + " tokens/s/GPU"
	default:
		return inGiB(b.HeadroomBytes) + " free"
	}
}

// span writes seconds as people say them: 41s, 2m31s, 3h05m, 12d4h.
func span(seconds float64) string {
	const minute, hour, day = 60, 3600, 86400
	if !(seconds < 1e9*day) {
		return "ages"
	}
	switch s := int64(math.Ceil(seconds)); {
	case s < minute:
		return fmt.Sprintf("%ds", s)
	case s < hour:
		return fmt.Sprintf("%dm%02ds", s/minute, s%minute)
	case s < 2*day:
		return fmt.Sprintf("%dh%02dm", s/hour, s%hour/minute)
	default:
		return fmt.Sprintf("%dd%dh", s/day, s%day/hour)
	}
}

func shareOf(part, of int64) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}

// short writes a count with a decimal prefix.
func short(x float64) string {
	for _, p := range []struct {
		factor float64
		name   string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x >= p.factor {
			return fmt.Sprintf("%.4g%s", x/p.factor, p.name)
		}
	}
	return fmt.Sprintf("%.0f", x)
}
