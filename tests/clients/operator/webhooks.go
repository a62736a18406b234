package main

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// admitter is both webhooks: it fills in the number of pods, and refuses texts that shout.
type admitter struct{}

func (admitter) Default(_ context.Context, site *Site) error {
	if site.Spec.Replicas == nil {
		one := int32(1)
		site.Spec.Replicas = &one
	}
	return nil
}

func (admitter) ValidateCreate(_ context.Context, site *Site) (admission.Warnings, error) {
	if text := site.Spec.Text; strings.ToUpper(text) == text {
		return nil, fmt.Errorf("spec.text: %q shouts", text)
	}
	if *site.Spec.Replicas == 0 {
		return admission.Warnings{"nobody will hear this site"}, nil
	}
	return nil, nil
}

func (a admitter) ValidateUpdate(ctx context.Context, old, site *Site) (admission.Warnings, error) {
	if old.Spec.Image != site.Spec.Image && site.DeletionTimestamp == nil {
		return nil, fmt.Errorf("spec.image: is immutable")
	}
	return a.ValidateCreate(ctx, site)
}

func (admitter) ValidateDelete(_ context.Context, site *Site) (admission.Warnings, error) {
	if site.Labels["keep"] == "yes" {
		return nil, fmt.Errorf("it is to be kept")
	}
	return nil, nil
}
