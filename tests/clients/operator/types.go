package main

import (
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
)

// Group of the operator's kind, which is served in two versions: v1, which is stored, and v1alpha1.
const Group = "operator.wherry.test"

var (
	v1       = schema.GroupVersion{Group: Group, Version: "v1"}
	v1alpha1 = schema.GroupVersion{Group: Group, Version: "v1alpha1"}
)

// Site wants a number of pods that say something.
type Site struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              SiteSpec   `json:"spec"`
	Status            SiteStatus `json:"status,omitempty"`
}

type SiteSpec struct {
	Text     string `json:"text"`
	Image    string `json:"image"`
	Replicas *int32 `json:"replicas,omitempty"`
}

type SiteStatus struct {
	Ready      int32              `json:"ready"`
	Leader     string             `json:"leader,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

type SiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Site `json:"items"`
}

// OldSite is a Site in v1alpha1: its size is a string, and its text has another name.
type OldSite struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              OldSiteSpec `json:"spec"`
	Status            SiteStatus  `json:"status,omitempty"`
}

type OldSiteSpec struct {
	Message string `json:"message"`
	Image   string `json:"image"`
	Size    string `json:"size,omitempty"`
}

// Hub: other versions are converted to this one and from it.
func (*Site) Hub() {}

func (old *OldSite) ConvertTo(hub conversion.Hub) error {
	site := hub.(*Site)
	old.ObjectMeta.DeepCopyInto(&site.ObjectMeta)
	site.Status = *old.Status.DeepCopy()
	site.Spec = SiteSpec{Text: old.Spec.Message, Image: old.Spec.Image}
	if old.Spec.Size == "" {
		return nil
	}
	size, err := strconv.ParseInt(old.Spec.Size, 10, 32)
	if err != nil {
		return fmt.Errorf("spec.size: %q is no number", old.Spec.Size)
	}
	replicas := int32(size)
	site.Spec.Replicas = &replicas
	return nil
}

func (old *OldSite) ConvertFrom(hub conversion.Hub) error {
	site := hub.(*Site)
	site.ObjectMeta.DeepCopyInto(&old.ObjectMeta)
	old.Status = *site.Status.DeepCopy()
	old.Spec = OldSiteSpec{Message: site.Spec.Text, Image: site.Spec.Image}
	if site.Spec.Replicas != nil {
		old.Spec.Size = strconv.Itoa(int(*site.Spec.Replicas))
	}
	return nil
}

func register(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(v1, &Site{}, &SiteList{})
	scheme.AddKnownTypeWithName(v1alpha1.WithKind("Site"), &OldSite{})
	metav1.AddToGroupVersion(scheme, v1)
	metav1.AddToGroupVersion(scheme, v1alpha1)
	return nil
}

func (s *SiteStatus) DeepCopy() *SiteStatus {
	out := *s
	out.Conditions = make([]metav1.Condition, len(s.Conditions))
	for i := range s.Conditions {
		s.Conditions[i].DeepCopyInto(&out.Conditions[i])
	}
	return &out
}

func (s *Site) DeepCopyObject() runtime.Object {
	out := &Site{TypeMeta: s.TypeMeta, Spec: s.Spec, Status: *s.Status.DeepCopy()}
	s.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	if s.Spec.Replicas != nil {
		replicas := *s.Spec.Replicas
		out.Spec.Replicas = &replicas
	}
	return out
}

func (l *SiteList) DeepCopyObject() runtime.Object {
	out := &SiteList{TypeMeta: l.TypeMeta, Items: make([]Site, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*Site)
	}
	return out
}

func (old *OldSite) DeepCopyObject() runtime.Object {
	out := &OldSite{TypeMeta: old.TypeMeta, Spec: old.Spec, Status: *old.Status.DeepCopy()}
	old.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return out
}
