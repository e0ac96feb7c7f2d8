// Package arch describes transformer architectures.
//
// A [Model] is one common description of every published decoder (and the
// encoder classics): layers as a sequence of layer kinds, each with its
// attention, feed-forward or experts, and norms. One small file a family turns a
// Hugging Face config.json into it, with that model_type's own defaults for
// absent keys; a registry shows them all. Nothing else in headroom reads a
// config: parameters, FLOPs, memory and time are derived from the Model alone.
package arch
