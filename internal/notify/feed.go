package notify

import "os"

// feed gives what a program reads from its input. Stop ends the feeding, read or not.
func feed(data []byte) (input *os.File, stop func(), err error) {
	input, end, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_, _ = end.Write(data) // a program that does not read all of it tells by its exit code whether it minds
		_ = end.Close()
	}()
	return input, func() {
		_ = input.Close()
		_ = end.Close()
		<-fed
	}, nil
}
