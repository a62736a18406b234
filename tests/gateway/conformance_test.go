// Upstream's conformance suite of the Gateway API, run against a cluster of wherry (`make gateway-conformance`).
package gateway

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
