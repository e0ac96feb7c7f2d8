package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"headroom/results"
	"headroom/sweep"
)

func TestProgressLine(t *testing.T) {
	snap := sweep.Snapshot{
		Cases: 412_300_000, CasesTotal: 1_000_000_000, Parts: 41, PartsTotal: 100, Resumed: 3, Fits: 404_878_600,
		Best: &sweep.Best{Model: "llama-3.1-8b", Accelerator: "h100-sxm", GPUs: 64, CostUSD: 31400.4, TokensPerSecondPerGPU: 9000},
	}
	f := func(width int, want string) {
		t.Helper()
		got := progressLine(snap, 100*time.Second, width)
		require.Equal(t, want, got)
		require.True(t, width == 0 || utf8.RuneCountInString(got) <= width)
	}
	f(0, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · best llama-3.1-8b on 64×h100-sxm, $31,400 · parts 41/100 (3 before)")
	f(110, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · best llama-3.1-8b on 64×h100-sxm, $31,400")
	f(90, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · best 64×h100-sxm, $31,400")
	f(79, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · best $31,400")
	f(70, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit")
	f(20, "412.3M/1G cases 41.2")
	snap.Best = &sweep.Best{Accelerator: "mi300x", TokensPerSecondPerGPU: 9000}
	f(79, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · parts 41/100")
	snap.Best, snap.InternalError = nil, 2
	f(0, "412.3M/1G cases 41.2 % · 4.123M/s · 2m23s left · 98.2 % fit · 2 failed · parts 41/100 (3 before)")
	snap = sweep.Snapshot{CasesTotal: 10, PartsTotal: 1}
	f(0, "0/10 cases 0.0 % · 0 % fit · parts 0/1")
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 0.2: "1s", 59: "59s", 151: "2m31s", 3600 + 5*60: "1h05m", 47.5 * 3600: "47h30m", 12*86400 + 4*3600: "12d4h",
		1e300: "ages", math.Inf(1): "ages", math.NaN(): "ages",
	} {
		require.Equal(t, want, span(seconds))
	}
}

// drawn is what a progress of a style writes: at once, again, a note, the end.
func drawn(style string, columns int) string {
	var b bytes.Buffer
	p := &progress{style: style, to: &stream{Writer: &b, Columns: func() int { return columns }}, count: new(sweep.Progress), begun: time.Now(), quit: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	p.draw(p.begun.Add(time.Second))
	p.draw(p.begun.Add(time.Minute))
	p.say("a <note>")
	p.stop() // nobody logs here
	return b.String()
}

func TestProgressStyles(t *testing.T) {
	const line = "0/0 cases 0 % · 0 % fit · parts 0/0"
	require.Equal(t, "\r"+line+"\x1b[K\r"+line+"\x1b[K\r\x1b[Ka <note>\n", drawn("tty", 80))
	require.Equal(t, "\r0/0 cases\x1b[K\r0/0 cases\x1b[K\r\x1b[Ka <note>\n", drawn("tty", 10))
	require.Equal(t, line+"\n"+line+"\na <note>\n", drawn("plain", 80))
	require.Empty(t, strings.ReplaceAll(drawn("none", 80), "a <note>\n", ""))
	var types []string
	for text := range strings.Lines(drawn("json", 80)) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &event))
		types = append(types, event["type"].(string))
	}
	require.Equal(t, []string{"progress", "progress", "note", "progress"}, types)
}

// A line of the log is a line of its own, also where another is being redrawn.
func TestLogBesideProgress(t *testing.T) {
	var b bytes.Buffer
	s := &state{Stderr: &stream{Writer: &b, TTY: true}, Level: new(slog.LevelVar), Progress: "auto"}
	log := s.logger()
	p := s.startProgress(new(sweep.Progress))
	p.draw(p.begun.Add(time.Second))
	log.Warn("first", "part", 3)
	p.draw(p.begun.Add(2 * time.Second))
	p.stop()
	log.Warn("second")
	const line = "\r0/0 cases 0 % · 0 % fit · parts 0/0\x1b[K"
	require.Equal(t, line+"\r\x1b[Klevel=WARN msg=first part=3\n"+line+"\r\x1b[Klevel=WARN msg=second\n", b.String())
}

// The best case that a sweep tells while it runs is the first that top shows after it.
func TestBestSoFar(t *testing.T) {
	study := "{grid: {model: [gpt2, llama-3.1-8b], accelerator: [a100-sxm-80gb, h100-sxm, mi300x], gpus: [8, 16], tp: [1, 8], micro_batch: [1, 2]}, out: {part_rows: 7}}"
	for _, set := range [][]string{nil, {"tokens=1B"}, {"tokens=1B", "prices.pricing=spot"}, {"accelerator=tpu-v4"}, {"model=llama-3.1-405b"}} {
		s, err := sweep.Load(sweep.Source{File: "s.yaml", Data: []byte(study), Set: set})
		require.NoError(t, err)
		s.Out.Dir = t.TempDir()
		var p sweep.Progress
		_, err = sweep.Run(t.Context(), s, sweep.Options{Progress: &p, Workers: 3})
		require.NoError(t, err)
		d, err := openDataset(s.Out.Dir)
		require.NoError(t, err)
		by, err := results.ParseSortKeys(bestOrder)
		require.NoError(t, err)
		fits, err := results.CompileFilter("fits")
		require.NoError(t, err)
		top, err := d.Top(t.Context(), results.TopOptions{Where: fits, By: by, Limit: 1})
		require.NoError(t, err)
		best := p.Snapshot().Best
		if len(top.Rows) == 0 {
			require.Nil(t, best)
			continue
		}
		require.Equal(t, top.Rows[0].CaseID, best.CaseID, "%v", set)
		require.Equal(t, top.Rows[0].CostUSD, best.CostUSD)
	}
}

// Cases that panicked are rows, and the exit code tells, also of a later run that
// finds them in the dataset.
func TestExitCodeOfFailedCases(t *testing.T) {
	require.NoError(t, failedCases(&sweep.Summary{Status: map[string]int64{"fits": 3}}))
	sum := sweep.Summary{Status: map[string]int64{"fits": 3, "internal": 2}, Failures: []sweep.Failure{{Case: 17, Message: "boom"}}}
	code, hint := classify(failedCases(&sum))
	require.Equal(t, exitInternal, code)
	require.Contains(t, hint, "a bug in headroom")
	require.EqualError(t, failedCases(&sum), "2 cases could not be evaluated, the first of this run is case 17: boom")
	sum.Failures = nil
	require.EqualError(t, failedCases(&sum), `2 cases could not be evaluated; headroom top --where 'status == "internal"' lists them`)
}
