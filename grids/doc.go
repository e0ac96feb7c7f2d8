// Package grids turns axes of values and constraints into a numbered list of
// cases: case i is a pure function of i, the size is known without visiting the
// cases, and what a constraint excludes is never visited.
//
// # Cases
//
// A [Spec] has axes in declared order, derived names, and constraints. Its cases
// are all combinations of axis values for which every constraint holds, in
// lexicographic order, the last axis fastest. [Build] counts them; [Grid.At]
// gives case i and [Grid.Index] the number of a case; a [Cursor] walks a range
// of cases and tells which axis changed, so that work on a common prefix is done
// once, and skips a prefix that needs no look. [Grid.Breakdown] tells what each
// constraint excludes, [Grid.Occurrences] how many cases hold each value.
//
// An axis lists its values, or calculates them from earlier axes (Axis.Domain):
// the tensor-parallel sizes that divide the heads of the model chosen before.
//
// # The counting DAG
//
// Choosing values axis by axis walks down a tree with one leaf a case. Most of
// its branches look alike: once gpus, tp and pp are chosen and only
// tp*pp*dp == gpus is still to be checked, all that matters of them is gpus and
// tp*pp. So a node stands for all prefixes that agree on what lower levels read,
// and the tree becomes a directed acyclic graph (a decision diagram): grids of
// 10¹⁸ cases have a handful of nodes.
//
//	gpus      tp        pp        dp
//	 8 ──┬─ 1 ──┬─ 1 ──── 8 ──┐
//	     │      └─ 2 ─┐       │
//	     └─ 2 ──── 1 ─┴── 4 ──┴─ end     tp*pp = 2 is one node
//
// A node knows how many cases are below it, and its edges are runs of
// neighbouring values with the same child, each with the number of cases before
// it. To find case i, a binary search over the runs of one node a level is
// enough; to find the number of a case, the numbers along its path are added.
//
// What a node must remember is found by reading the constraints: each is split
// at its top-level &&, each part is checked at the first level where its names
// are known, and a subexpression known earlier than the rest is calculated there
// and carried in place of its names. A grid joins cheaply what stands close
// together: list axes that a constraint joins next to each other. The number of
// nodes has a budget (Spec.MaxNodes), and the error that reports it names the
// axis and what it must remember.
//
// # The constraint language
//
// Constraints have the grammar of github.com/expr-lang/expr and exact arithmetic
// of their own:
//
//	tp <= node_gpus                        names are axes and derived names
//	heads % tp == 0 and layers % pp == 0   and or not, also && || !
//	1 < tp*pp <= 64                        comparisons chain
//	pp == 1 || micro_batches >= pp
//	recipe in ["bf16", "fp8"]              also: x in 1..8
//	model startsWith "llama"               contains, endsWith, matches
//	div(gpus, tp) >= (pp > 1 ? 4 : 1)      div, min, max, abs, int, float, floor, ceil
//
// Whole numbers are int64 and exact; a result that does not fit is an error, not
// a wrapped number. The operator / is the division of real numbers, as in expr:
// 7 / 2 is 3.5, and comparing it is exact below 2⁵³. For whole-number division,
// towards −∞, there is div(a, b); % keeps the sign of its left side. ** is for
// whole numbers. A comparison of a whole number with a fraction does not round
// either.
//
// A case is excluded if any constraint is false for it, in whatever order they
// are written. Where none is false but one cannot be calculated (a division by
// zero, an overflow), Build fails and tells the constraint, the place in it and
// the values: it does not guess whether the case was meant.
package grids
