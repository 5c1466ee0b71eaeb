package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Form says how it is written.
func (Size) Form() Form {
	return Form{Wants: "a size such as 500MB or 2GiB", Pattern: sizePattern + `|none`}
}

// UnmarshalText reads it.
func (s *Size) UnmarshalText(text []byte) error {
	value, err := parseSize(string(text))
	*s = Size(value)
	if err != nil {
		return fmt.Errorf("wants a size such as 500MB or 2GiB, or none%w", err)
	}
	return nil
}

// Form says how it is written.
func (Rate) Form() Form {
	return Form{Wants: "a rate such as 5MiB/s, or none", Pattern: sizePattern + `/s|none`}
}

// UnmarshalText reads it.
func (r *Rate) UnmarshalText(text []byte) error {
	size, perSecond := strings.CutSuffix(string(text), "/s")
	value, err := parseSize(size)
	if err == nil && perSecond == (size == "none") {
		err = errors.New("")
	}
	*r = Rate(value)
	if err == nil && value > 0 && value < 1024 {
		return errors.New("wants a rate of at least 1KiB/s, or none")
	}
	if err != nil {
		return fmt.Errorf("wants a rate such as 5MiB/s, or none%w", err)
	}
	return nil
}

// parseSize reads a number of bytes. Its error is what is to be said beyond the form, and may be empty.
func parseSize(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		if _, err := strconv.Atoi(text); err == nil {
			return 0, errors.New(": say the unit, B, kB, MB, GB or KiB, MiB, GiB")
		}
		return 0, errors.New("")
	}
	base := 1000.0
	if parts[3] == "i" {
		base = 1024
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	bytes := number
	if parts[2] != "" {
		bytes *= math.Pow(base, float64(1+strings.Index("KMGTP", strings.ToUpper(parts[2]))))
	}
	switch {
	case err != nil || bytes > math.MaxInt64/2:
		return 0, errors.New(": that is too much")
	case parts[2] == "" && parts[3] == "i":
		return 0, errors.New("")
	case bytes < 1:
		return 0, errors.New("; for no limit say none")
	}
	return int64(bytes), nil
}

// Form says how it is written.
func (Percent) Form() Form {
	return Form{Wants: "a percentage such as 50%, or none", Pattern: `[0-9]+(\.[0-9]+)?%|none`}
}

// UnmarshalText reads it.
func (p *Percent) UnmarshalText(text []byte) error {
	if *p = 0; string(text) == "none" {
		return nil
	}
	parts := percentForm.FindStringSubmatch(string(text))
	if parts == nil {
		return errors.New("wants a percentage such as 50%, or none")
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	if err != nil || number <= 0 || number > 100 {
		return errors.New("wants a percentage above 0% and at most 100%, or none")
	}
	*p = Percent(number / 100)
	return nil
}

// Form says how it is written.
func (Number) Form() Form {
	return Form{Wants: "a whole number above zero, or none", Pattern: `none`, Number: true}
}

// UnmarshalText reads it.
func (n *Number) UnmarshalText(text []byte) error {
	if *n = 0; string(text) == "none" {
		return nil
	}
	value, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || value < 1 {
		return errors.New("wants a whole number above zero, or none")
	}
	*n = Number(value)
	return nil
}

// Form says how it is written.
func (Keep) Form() Form {
	return Form{Wants: "a whole number such as 14, or all", Pattern: `all`, Number: true}
}

// UnmarshalText reads it.
func (k *Keep) UnmarshalText(text []byte) error {
	if *k = -1; string(text) == "all" {
		return nil
	}
	value, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || value < 0 {
		return errors.New("wants a whole number such as 14, or all; 0 means that the rule is not used")
	}
	*k = Keep(value)
	return nil
}

// Form says how it is written.
func (Within) Form() Form {
	return Form{Wants: "a number and H, d, w, m or y, such as 2d", Pattern: `[1-9][0-9]{0,5}[hHdwmy]`}
}

// UnmarshalText reads it. borg writes hours as H; h is taken for that.
func (w *Within) UnmarshalText(text []byte) error {
	if !withinForm.Match(text) {
		return errors.New("wants a number and H (hours), d, w, m (months) or y, such as 2d")
	}
	*w = Within(strings.Replace(string(text), "h", "H", 1))
	return nil
}
