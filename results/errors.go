package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"headroom/internal/suggest"
)

// IOError is a file operation that failed. The dataset is as sound as before
// it: parts that were committed stay committed.
type IOError struct {
	Op   string // what was being done: "writing", "reading", …
	Path string
	Err  error
}

func (e *IOError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err) }
func (e *IOError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *IOError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "free some space and run the same command again: committed parts are kept"
	case errors.Is(e.Err, syscall.ENOTDIR), e.Op == "making" && errors.Is(e.Err, fs.ErrExist): // the second: a link to nowhere
		return "a file stands where a directory is needed: choose another output directory, or move the file away"
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return "make the directory accessible, or choose another output directory"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "check the path"
	case errors.Is(e.Err, syscall.ENAMETOOLONG), errors.Is(e.Err, syscall.ELOOP), errors.Is(e.Err, syscall.EINVAL):
		return "choose another output directory"
	case e.Op == "reading":
		return "check the disk or the mount, then run the same command again"
	default:
		return "run the same command again: committed parts are kept"
	}
}

// ioError wraps err with the path once: the operating system's own wrapping
// repeats it.
func ioError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		err = linkErr.Err
	}
	return &IOError{Op: op, Path: path, Err: err}
}

// OtherStudyError refuses a directory that holds the dataset of another plan.
type OtherStudyError struct {
	Dir  string
	Diff []string // one line a difference, dataset first
}

func (e *OtherStudyError) Error() string {
	const most = 15 // lines that a person reads
	lines := e.Diff
	if more := len(lines) - most; more > 0 {
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more differences", more))
	}
	return fmt.Sprintf("%s belongs to another study:\n  %s", e.Dir, strings.Join(lines, "\n  "))
}

// Hint says what to do next.
func (e *OtherStudyError) Hint() string {
	return "choose another output directory, remove this one, or restore the study it was made with"
}

// NotDatasetError refuses a directory without a plan that holds other things.
type NotDatasetError struct {
	Dir   string
	Found string // the first entry that is not ours; "" when there is no plan to read
}

func (e *NotDatasetError) Error() string {
	if e.Found == "" {
		return e.Dir + " is not a headroom dataset: it has no " + planName
	}
	return fmt.Sprintf("%s is not a headroom dataset and not empty: it holds %s", e.Dir, e.Found)
}

// Hint says what to do next.
func (e *NotDatasetError) Hint() string { return "name a new or empty directory, or a dataset" }

// IncompleteError lists the parts a dataset still lacks.
type IncompleteError struct {
	Dir     string
	Missing []int // sorted
	Parts   int
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%s is incomplete: %d of %d parts are missing: %s", e.Dir, len(e.Missing), e.Parts, e.Ranges())
}

// Ranges writes the missing parts as in "3,17-19", the form a job array takes.
func (e *IncompleteError) Ranges() string { return formatRanges(e.Missing) }

// Hint says what to do next.
func (e *IncompleteError) Hint() string {
	return "run the same sweep again: it continues with the missing parts"
}

// NondeterministicError reports a part that came out with other bytes than the
// ones committed before. It is a bug of the engine, or of the machine.
type NondeterministicError struct {
	Part            int
	Committed, Made string // sha256
}

func (e *NondeterministicError) Error() string {
	return fmt.Sprintf("part %d came out with other bytes than were committed before (sha256 %.12s…, committed %.12s…)", e.Part, e.Made, e.Committed)
}

// Hint says what to do next.
func (e *NondeterministicError) Hint() string {
	return "the committed part was left as it is; please report this with both machines' CPU and version"
}

// DamagedError reports a committed file that does not hold what was committed.
type DamagedError struct {
	Part int // -1 for a file that is not a part
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	if e.Part < 0 {
		return fmt.Sprintf("%s is damaged: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("part %d is damaged: %s: %v", e.Part, e.Path, e.Err)
}
func (e *DamagedError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *DamagedError) Hint() string {
	if e.Part < 0 {
		return "remove the file and run the same sweep again"
	}
	return "run the same sweep again: it makes this part anew"
}

// ColumnError reports a name that is no column.
type ColumnError struct {
	Name    string
	Nearest []string // columns that may have been meant
}

func (e *ColumnError) Error() string {
	msg := fmt.Sprintf("unknown column %q", e.Name)
	if q := suggest.Question(e.Nearest); q != "" {
		msg += ": " + q
	}
	return msg
}

// formatRanges writes sorted numbers as "3,17-19".
func formatRanges(numbers []int) string {
	var b strings.Builder
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", numbers[i])
		if j > i {
			fmt.Fprintf(&b, "-%d", numbers[j])
		}
		i = j + 1
	}
	return b.String()
}
