package arch

import "strings"

// noteClass says so where architectures names a class without the language-model
// head that is counted.
func (c *config) noteClass(m *Model) {
	class := c.class()
	if m.Head.None {
		return // the family read it
	}
	for _, suffix := range []string{"ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForRewardModel", "RewardModel", "EncoderModel", "Model"} {
		if strings.HasSuffix(class, suffix) && !strings.HasSuffix(class, "LMHeadModel") && !strings.HasSuffix(class, "LMHeadsModel") {
			c.note("counted with a language-model head; the checkpoint's class, %s, may have another or none", clip(class))
			return
		}
	}
}

// class is the first of architectures, the class that wrote the checkpoint.
func (c *config) class() string {
	if !c.isList("architectures") {
		return ""
	}
	for _, v := range c.list("architectures") {
		s, _ := v.v.(string)
		return s
	}
	return ""
}
