//go:build broken_ack

package backup

const broken = true
