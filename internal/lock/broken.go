//go:build broken_lock

package lock

const broken = true
