package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"headroom/sweep"
)

// A progress tells on standard error how far a sweep is. One goroutine draws; the
// workers only count. It also owns the stream while it draws, so that a log line
// never lands inside of a redrawn one.
type progress struct {
	style string // tty, plain, json or none
	to    *stream
	count *sweep.Progress
	begun time.Time

	mu    sync.Mutex
	drawn int // runes of the line on the screen
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
	p := &progress{style: s.progressStyle(), to: s.Stderr, count: count, begun: time.Now(), quit: make(chan struct{}), done: make(chan struct{})}
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

// stop ends the drawing; afterwards the stream is free.
func (p *progress) stop() {
	close(p.quit)
	<-p.done
}

// say writes a line of its own between two drawings.
func (p *progress) say(format string, args ...any) {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.to, format+"\n", args...)
}

func (p *progress) draw(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	snap := p.count.Snapshot()
	elapsed := now.Sub(p.begun)
	if p.style == "json" {
		// The stream's own errors are nobody's to handle: the sweep goes on.
		_ = json.NewEncoder(p.to).Encode(struct {
			Type    string  `json:"type"`
			Seconds float64 `json:"seconds"`
			sweep.Snapshot
		}{"progress", elapsed.Seconds(), snap})
		return
	}
	line := progressLine(snap, elapsed)
	if p.style == "plain" {
		fmt.Fprintln(p.to, line)
		return
	}
	if p.to.Width > 1 && utf8.RuneCountInString(line) >= p.to.Width {
		line = string([]rune(line)[:p.to.Width-1])
	}
	n := utf8.RuneCountInString(line)
	_, _ = io.WriteString(p.to, "\r"+line+strings.Repeat(" ", max(p.drawn-n, 0)))
	p.drawn = n
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn > 0 {
		_, _ = io.WriteString(p.to, "\r"+strings.Repeat(" ", p.drawn)+"\r")
		p.drawn = 0
	}
}

// progressLine is 412.3M/1.000G cases 41 % · 3.900M/s · 2m31s left · parts 41/100 · fits 98.2 %.
func progressLine(snap sweep.Snapshot, elapsed time.Duration) string {
	fields := []string{fmt.Sprintf("%s/%s cases %s", short(float64(snap.Cases)), short(float64(snap.CasesTotal)), shareOf(snap.Cases, snap.CasesTotal))}
	if rate := float64(snap.Cases) / elapsed.Seconds(); snap.Cases > 0 {
		left := time.Duration(float64(snap.CasesTotal-snap.Cases) / rate * float64(time.Second))
		fields = append(fields, short(rate)+"/s", left.Round(time.Second).String()+" left")
	}
	parts := fmt.Sprintf("parts %d/%d", snap.Parts, snap.PartsTotal)
	if snap.Resumed > 0 {
		parts += fmt.Sprintf(" (%d before)", snap.Resumed)
	}
	fields = append(fields, parts, "fits "+shareOf(snap.Fits, snap.Cases))
	return strings.Join(fields, " · ")
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
