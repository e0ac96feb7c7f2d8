package sweep

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"headroom/results"
)

// A task is a part that a run has to make.
type task struct {
	part int
	// damaged says that the part is committed, and its file holds other bytes.
	damaged bool
}

// resume lists the parts of a shard that are still to make, in order, and counts
// the shard's parts. A part that was committed earlier is read and compared with
// its marker: hashing takes a fraction of the time of making it, and a bit that
// flipped on a disk must not pass for a result.
func resume(ctx context.Context, ds *results.Dataset, opt Options) (todo []task, share int, err error) {
	missing, err := ds.Missing()
	if err != nil {
		return nil, 0, err
	}
	var parts []task
	var done []int // indices of parts
	for part := range ds.Parts() {
		lacks := len(missing) > 0 && missing[0] == part
		if lacks {
			missing = missing[1:]
		}
		if !opt.Shard.has(part) {
			continue
		}
		if !lacks {
			done = append(done, len(parts))
		}
		parts = append(parts, task{part: part})
	}
	sound := make([]bool, len(parts))
	errs := make([]error, min(opt.Workers, len(done)))
	var taken atomic.Int64
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(taken.Add(1)) - 1
				if i >= len(done) {
					return
				}
				p := &parts[done[i]]
				sound[done[i]], errs[w] = ds.Sound(ctx, p.part)
				p.damaged = !sound[done[i]]
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		if ctx.Err() != nil {
			err = ErrInterrupted
		}
		return nil, 0, err
	}
	for i, p := range parts {
		if !sound[i] {
			todo = append(todo, p)
		}
	}
	return todo, len(parts), nil
}
