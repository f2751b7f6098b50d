package sim

type storeState struct{}

func (s *storeState) init() {}
