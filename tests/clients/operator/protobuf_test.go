package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// strict lets nothing by that is not protobuf.
type strict struct {
	http.RoundTripper
	t *testing.T
}

func (s *strict) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(request)
	if accept := request.Header.Get("Accept"); accept != runtime.ContentTypeProtobuf {
		s.t.Errorf("%s accepts %q", request.URL, accept)
	}
	if err == nil && !strings.HasPrefix(response.Header.Get("Content-Type"), runtime.ContentTypeProtobuf) {
		s.t.Errorf("%s %s gives %q", request.Method, request.URL, response.Header.Get("Content-Type"))
	}
	return response, err
}

func deployment(name string) *appsv1.Deployment {
	zero, half, labels := int32(0), intstr.FromString("50%"), map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &zero,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Strategy: appsv1.DeploymentStrategy{
				Type: "RollingUpdate", RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &half},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "c", Image: "i", ReadinessProbe: &corev1.Probe{
						ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}},
					}}},
					Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
				},
			},
		},
	}
}

// TestProtobufAlone writes and reads in protobuf all its life.
func TestProtobufAlone(t *testing.T) {
	_, client := connect(t)
	ctx, all := within(t, 60), client.AppsV1().Deployments(namespace)
	events, err := all.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	made, err := all.Create(ctx, deployment("a"), metav1.CreateOptions{})
	if err != nil || made.UID == "" || made.CreationTimestamp.IsZero() || len(made.ManagedFields) != 1 {
		t.Fatal(made, err)
	}
	spec := made.Spec.Template.Spec
	if *made.Spec.Replicas != 0 || made.Spec.Strategy.RollingUpdate.MaxSurge.StrVal != "50%" || spec.Volumes[0].EmptyDir == nil ||
		spec.Containers[0].ReadinessProbe.TCPSocket.Port.IntVal != 80 {
		t.Fatal(made)
	}
	if event := <-events.ResultChan(); event.Type != watch.Added || !equality.Semantic.DeepEqual(event.Object, made) {
		t.Fatal(event)
	}
	if got, err := all.Get(ctx, "a", metav1.GetOptions{}); err != nil || !equality.Semantic.DeepEqual(got, made) {
		t.Fatal(got, err)
	}
	if again, err := all.Update(ctx, made, metav1.UpdateOptions{}); err != nil || again.ResourceVersion != made.ResourceVersion {
		t.Fatal("an update that changes nothing changed something", again, err)
	}
	dry, err := all.Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{DryRun: []string{"All"}})
	if err != nil || !dry.Spec.Paused {
		t.Fatal(dry, err)
	}
	apply := appsapply.Deployment("a", namespace).WithLabels(map[string]string{"applied": "yes"})
	applied, err := all.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: "tester"})
	if err != nil || applied.Labels["applied"] != "yes" || applied.Spec.Paused || len(applied.ManagedFields) != 2 {
		t.Fatal(applied, err)
	}
	applied.Status.ObservedGeneration, applied.Status.Conditions = 1, []appsv1.DeploymentCondition{{Type: "Odd", Status: "True", LastUpdateTime: metav1.Now()}}
	if shown, err := all.UpdateStatus(ctx, applied, metav1.UpdateOptions{}); err != nil || shown.Status.Conditions[0].LastUpdateTime.IsZero() {
		t.Fatal(shown, err)
	}
	scale, err := all.GetScale(ctx, "a", metav1.GetOptions{})
	if err != nil || scale.Status.Selector != "app=a" {
		t.Fatal(scale, err)
	}
	scale.Spec.Replicas = 2
	if scale, err = all.UpdateScale(ctx, "a", scale, metav1.UpdateOptions{}); err != nil || scale.Spec.Replicas != 2 {
		t.Fatal(scale, err)
	}
	list, err := all.List(ctx, metav1.ListOptions{LabelSelector: "applied"})
	if err != nil || len(list.Items) != 1 || list.ResourceVersion == "" || *list.Items[0].Spec.Replicas != 2 {
		t.Fatal(list, err)
	}
	if err = all.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("other")}); !errors.IsConflict(err) {
		t.Fatal(err)
	}
	if err = all.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	for event := range events.ResultChan() {
		if event.Type == watch.Deleted {
			break
		}
	}
}

// TestProtobufOdds: refusals, reviews and tokens, discovery, and what has no protobuf.
func TestProtobufOdds(t *testing.T) {
	config, client := connect(t)
	ctx, all := within(t, 60), client.AppsV1().Deployments(namespace)
	if _, err := all.Get(ctx, "none", metav1.GetOptions{}); !errors.IsNotFound(err) || err.Error() != `deployments.apps "none" not found` {
		t.Fatal(err)
	}
	wrong := deployment("a")
	wrong.Spec.Template.Labels = nil
	_, err := all.Create(ctx, wrong, metav1.CreateOptions{})
	causes := err.(*errors.StatusError).Status().Details.Causes
	if !errors.IsInvalid(err) || len(causes) != 1 || causes[0].Field != "spec.template.metadata.labels" {
		t.Fatal(err)
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	if _, err = maps.Create(ctx, configMap("a"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err = maps.Create(ctx, configMap("a"), metav1.CreateOptions{}); !errors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	yes := true
	late, err := maps.Watch(ctx, metav1.ListOptions{
		ResourceVersion: "99999999999", SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err == nil {
		event := <-late.ResultChan()
		if status, is := event.Object.(*metav1.Status); !is || event.Type != watch.Error || status.Code < 400 {
			t.Fatal(event)
		}
	} else if !errors.IsTimeout(err) {
		t.Fatal(err)
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
	}}
	if review, err = client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{}); err != nil || !review.Status.Allowed {
		t.Fatal(review, err)
	}
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || len(who.Status.UserInfo.Groups) == 0 {
		t.Fatal(who, err)
	}
	accounts, hour := client.CoreV1().ServiceAccounts(namespace), int64(3600)
	if _, err = accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}
	if request, err = accounts.CreateToken(ctx, "a", request, metav1.CreateOptions{}); err != nil || time.Until(request.Status.ExpirationTimestamp.Time) < 59*time.Minute {
		t.Fatal(request, err)
	}
	found, err := client.Discovery().ServerResourcesForGroupVersion("apps/v1")
	if err != nil || len(found.APIResources) < 10 || found.GroupVersion != "apps/v1" || len(found.APIResources[0].Verbs) == 0 {
		t.Fatal(found, err)
	}
	plain := *config
	plain.WrapTransport = nil
	raw := kubernetes.NewForConfigOrDie(&plain).CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces", namespace, "configmaps").
		SetHeader("Accept", runtime.ContentTypeProtobuf+";as=Table;g=meta.k8s.io;v=v1").Do(ctx)
	if err = raw.Error(); errors.ReasonForError(err) != metav1.StatusReasonNotAcceptable {
		t.Fatal(err)
	}
}

// TestLeaderElection hands a lease from one candidate to the next.
func TestLeaderElection(t *testing.T) {
	_, client := connect(t)
	ctx := within(t, 60)
	leads := make(chan string, 2)
	stop := map[string]context.CancelFunc{}
	for _, name := range []string{"a", "b"} {
		own, cancel := context.WithCancel(ctx)
		stop[name] = cancel
		lock := &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Name: "leader", Namespace: namespace}, Client: client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		go leaderelection.RunOrDie(own, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 4 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leads <- name }, OnStoppedLeading: func() {},
			},
		})
		if name == "a" && <-leads != "a" {
			t.Fatal("somebody else leads")
		}
	}
	time.Sleep(time.Second)
	stop["a"]()
	select {
	case name := <-leads:
		if name != "b" {
			t.Fatal(name)
		}
	case <-ctx.Done():
		t.Fatal("nobody takes over")
	}
	lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil || *lease.Spec.LeaseTransitions != 1 || lease.Spec.RenewTime.Nanosecond() == 0 {
		t.Fatal(lease, err)
	}
	stop["b"]()
}

// TestProtobufBytes reads each `*.json` of FOLDER and the `.pb` beside it, which are to be the same, and writes the
// first as Go writes it, to `.go`.
func TestProtobufBytes(t *testing.T) {
	for _, add := range []func(*runtime.Scheme) error{apiextensionsv1.AddToScheme, metricsv1beta1.AddToScheme} {
		if err := add(scheme.Scheme); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := filepath.Glob(filepath.Join(os.Getenv("FOLDER"), "*.json"))
	if err != nil || len(plain) == 0 {
		t.Fatal("nothing to read", err)
	}
	decoder := scheme.Codecs.UniversalDeserializer()
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	read := func(path string) runtime.Object {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		obj, kind, err := decoder.Decode(data, nil, nil)
		if err != nil {
			t.Fatal(path, err)
		}
		obj.GetObjectKind().SetGroupVersionKind(*kind)
		if set, is := obj.(*appsv1.StatefulSet); is { // protobuf never says the kind of what is inside
			for i := range set.Spec.VolumeClaimTemplates {
				set.Spec.VolumeClaimTemplates[i].TypeMeta = metav1.TypeMeta{}
			}
		}
		return obj
	}
	for _, path := range plain {
		stem := strings.TrimSuffix(path, ".json")
		want, got := read(path), read(stem+".pb")
		if !equality.Semantic.DeepEqual(want, got) {
			t.Errorf("%s differs: %s", filepath.Base(path), difference(reflect.ValueOf(want), reflect.ValueOf(got), ""))
		}
		data, err := runtime.Encode(info.Serializer, want)
		if err != nil {
			t.Fatal(path, err)
		}
		if err = os.WriteFile(stem+".go", data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d objects", len(plain))
}

// difference names the first place where two values of a type are not the same.
func difference(a, b reflect.Value, path string) string {
	if equality.Semantic.DeepEqual(a.Interface(), b.Interface()) {
		return ""
	}
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return difference(a.Elem(), b.Elem(), path)
	case a.Kind() == reflect.Slice && a.Len() == b.Len() && a.Type().Elem().Kind() != reflect.Uint8:
		for i := range a.Len() {
			if found := difference(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
	case a.Kind() == reflect.Struct && a.NumField() > 0 && a.Type().Field(0).IsExported():
		for i := range a.NumField() {
			if found := difference(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); found != "" {
				return found
			}
		}
	}
	return fmt.Sprintf("%s: %#v, not %#v", path, b.Interface(), a.Interface())
}
