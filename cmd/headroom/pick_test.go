package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What pick is told of how a run trains reaches the choice, and the command it prints
// explains the winner to the digit.
func TestPickedIsExplained(t *testing.T) {
	t.Parallel()
	type winner struct {
		Peak int64 `json:"peak_bytes"`
		Step struct{ Seconds float64 }
		Cost struct{ USD *float64 }
	}
	seen := map[winner]string{}
	for _, how := range []string{
		"",
		"--lora-rank 16 --lora-target-modules all-linear --lora-dropout 0.1",
		"--offload optimizer",
		"--profile torch-eager --compile --loss chunked",
		"--freeze embedding,norms --profile torch-eager",
		"--tp 2 --sp=false --dropout 0.1 --zero 1",
		"--pp 4 --schedule zb-h1 --micro-batch 1",
		"--tp 8 --overlap none",
		"--dp-replicate 2 --profile fsdp2 --zero 3",
		"--profile deepspeed --zero 3 --reduce-bucket-size 100M --stage3-max-live-parameters 200M",
		"--optimizer-in-backward --profile torch-eager --micro-batch 8 --recompute full --optimizer adam8bit",
	} {
		args := append(strings.Fields("pick --model llama-3.2-1b --seq 2048 --tokens 1B --global-batch 64 --gpu a100-sxm-80gb --gpus 8 --json"), strings.Fields(how)...)
		code, stdout, stderr := runIn(args, nil)
		require.Zero(t, code, "%s: %s", how, stderr)
		var r struct {
			Winner  winner
			Command string `json:"explain_command"`
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		require.NotNil(t, r.Winner.Cost.USD, how)
		key := r.Winner
		key.Cost.USD = nil
		require.Empty(t, seen[key], "%s is told apart from others", how)
		seen[key] = "as " + how
		words, err := exec.Command("sh", "-c", "printf '%s\\n' "+r.Command).Output()
		require.NoError(t, err)
		code, stdout, stderr = runIn(append(strings.Split(strings.TrimSpace(string(words)), "\n")[1:], "--json"), nil)
		require.Zero(t, code, "%s: %s", r.Command, stderr)
		var e struct {
			Memory struct {
				Peak int64 `json:"peak_bytes"`
			}
			Time struct {
				Step float64 `json:"step_seconds"`
			}
			Cost struct{ USD *float64 }
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &e))
		require.Equal(t, r.Winner.Peak, e.Memory.Peak, r.Command)
		require.Equal(t, r.Winner.Step.Seconds, e.Time.Step, r.Command)
		require.NotNil(t, e.Cost.USD, r.Command)
		require.InEpsilon(t, *r.Winner.Cost.USD, *e.Cost.USD, 1e-12, r.Command)
	}
}
