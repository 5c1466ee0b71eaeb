//go:build broken_retry

package retry

const broken = true
