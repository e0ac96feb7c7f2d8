// Package results is the dataset: the row schema, Parquet parts with their
// commit protocol and manifest, and the reading, ranking and printing of them.
//
// # A row
//
// A [Row] is one evaluated case. Each of its fields is declared once, with the
// column's name, encoding, unit and meaning in the field's tag; [Columns] lists
// them, and the same list travels in the metadata of every file.
//
// # A dataset
//
// A dataset is a directory that appears part by part:
//
//	out/
//	  _plan.json                 what is being run; written first, exclusively
//	  data/part-00042.parquet    appears complete or not at all
//	  _committed/00042.json      its [Marker]: range, rows, bytes, sha256, counts
//	  _SUCCESS.json              the [Manifest], when every part is in
//	  _tmp/                      files of attempts; empty when the dataset is done
//
// The rules that make it safe to kill at any instant, to resume, and to share
// between processes and machines:
//
//  1. The plan's run id is a hash of everything that decides the bytes. A
//     directory with another plan is refused ([OtherStudyError]).
//  2. Part p holds the cases [p·PartRows, (p+1)·PartRows) and nothing else, so
//     its bytes depend on the plan alone: not on workers, batches or attempts.
//  3. A part is written to a private temporary file, synced, renamed, and its
//     directory synced; only then is its marker published the same way. A part
//     without a marker does not exist.
//  4. A marker is never replaced by one with another hash
//     ([NondeterministicError]); two attempts at once are harmless.
//  5. Readers trust only parts that a marker or the manifest names.
//
// All effects go through [FS], so that tests can fail every operation in turn.
package results
