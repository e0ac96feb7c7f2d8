// Package pick chooses what to rent for a training run: accelerator, number,
// provider, and the parallel plan to run on them.
//
// # Candidates
//
// A candidate is an accelerator, a number of GPUs, a parallel plan, a micro-batch
// and a recompute mode. All of them are enumerated, and each is ruled out by the
// first of: divisibility (the checks of package accounting), memory, and time: of
// all that fit on one number of one accelerator only the fastest is worth paying
// for, since all cost the same an hour. So what remains is one candidate a pair,
// and it does not depend on prices. Instances of one accelerator with different
// networks are different candidates: a step takes its own time on each.
//
// # Choices
//
// A choice is such a candidate at the price of one provider, in one region and
// pricing. Choices that no instance can be rented for, that cost more than the
// budget or end after the deadline are ruled out; of the rest the front of
// dollars against days is kept, and one wins.
//
// Every candidate and every choice is in one count of the result: nothing is
// dropped silently. Equals are ordered by a fixed rule, and the answer does not
// depend on the number of workers.
package pick
