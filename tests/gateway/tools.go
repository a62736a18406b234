//go:build tools

// Package gateway holds what the suite needs; here: the program that its backends run.
package gateway

import _ "sigs.k8s.io/gateway-api/conformance/echo-basic"
