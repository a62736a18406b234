package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/exec"
)

// What test_client_go.py and test_protobuf.py run, one at a time: client-go alone. NAMESPACE is the test's, in which
// TestExec finds a pod. ALONE: nothing but protobuf is accepted, and everything has to come in it.
var (
	namespace = os.Getenv("NAMESPACE")
	alone     = os.Getenv("ALONE") != ""
)

func connect(t *testing.T) (*rest.Config, *kubernetes.Clientset) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = config.ContentType + ",application/json"
	if alone {
		config.AcceptContentTypes = config.ContentType
		config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return &strict{inner, t} })
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return config, client
}

func within(t *testing.T, seconds int) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func configMap(name string) *corev1.ConfigMap {
	meta := metav1.ObjectMeta{Name: name, Labels: map[string]string{"made": "here"}}
	return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"n": name}, BinaryData: map[string][]byte{"b": {0, 255}}}
}

// counting sees which bodies are sent in protobuf.
type counting struct {
	http.RoundTripper
	seen atomic.Int32
}

func (c *counting) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Header.Get("Content-Type") == "application/vnd.kubernetes.protobuf" {
		c.seen.Add(1)
	}
	return c.RoundTripper.RoundTrip(request)
}

func TestProtobuf(t *testing.T) {
	config, _ := connect(t)
	transport := &counting{}
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper { transport.RoundTripper = inner; return transport })
	client := kubernetes.NewForConfigOrDie(config)
	ctx, maps := within(t, 30), client.CoreV1().ConfigMaps(namespace)
	made, err := maps.Create(ctx, configMap("a"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Data["n"] = "changed"
	if made, err = maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil || made.Data["n"] != "changed" {
		t.Fatal(made, err)
	}
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "made=here"})
	if err != nil || len(list.Items) != 1 || !bytes.Equal(list.Items[0].BinaryData["b"], []byte{0, 255}) {
		t.Fatal(list, err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || nodes.Items[0].Status.Allocatable.Memory().Value() < 1<<20 {
		t.Fatal(nodes, err)
	}
	events, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	if err = maps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if event := <-events.ResultChan(); event.Type != watch.Deleted || event.Object.(*corev1.ConfigMap).Data["n"] != "changed" {
		t.Fatal(event)
	}
	if _, err = maps.Get(ctx, "a", metav1.GetOptions{}); err == nil || err.Error() != `configmaps "a" not found` {
		t.Fatal(err)
	}
	if transport.seen.Load() != 3 { // create, update, and the options of delete
		t.Fatalf("%d bodies in protobuf", transport.seen.Load())
	}
}

func TestInformer(t *testing.T) {
	_, client := connect(t)
	ctx := within(t, 60)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps()
	gone := make(chan string, 100)
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		DeleteFunc: func(obj any) { gone <- obj.(*corev1.ConfigMap).Name },
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced) {
		t.Fatal("no cache")
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for i := range 50 {
		if _, err := maps.Create(ctx, configMap(fmt.Sprint("m", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if err := maps.Delete(ctx, fmt.Sprint("m", i), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		select {
		case name := <-gone:
			if name != fmt.Sprint("m", i) {
				t.Fatalf("%s is the %dth to go", name, i)
			}
		case <-ctx.Done():
			t.Fatal("not all are gone")
		}
	}
	left, err := informer.Lister().ConfigMaps(namespace).List(labels.SelectorFromSet(labels.Set{"made": "here"}))
	if err != nil || len(left) != 0 {
		t.Fatal(left, err)
	}
}

// TestWatchResumes follows changes over streams that the server ends each second; none is lost or told twice.
func TestWatchResumes(t *testing.T) {
	_, client := connect(t)
	ctx, maps := within(t, 60), client.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	streams, second := atomic.Int32{}, int64(1)
	follow := func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		streams.Add(1)
		options.TimeoutSeconds, options.LabelSelector = &second, "made=here"
		return maps.Watch(ctx, options)
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: follow})
	if err != nil {
		t.Fatal(err)
	}
	count := 30
	go func() {
		for i := range count {
			if _, err := maps.Create(ctx, configMap(fmt.Sprint("r", i)), metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
			time.Sleep(120 * time.Millisecond) // so that several streams carry them
		}
	}()
	for i := range count {
		event, open := <-watcher.ResultChan()
		if !open || event.Type != watch.Added || event.Object.(*corev1.ConfigMap).Name != fmt.Sprint("r", i) {
			t.Fatal(i, event)
		}
	}
	if streams.Load() < 3 {
		t.Fatalf("only %d streams", streams.Load())
	}
}

func TestExec(t *testing.T) {
	config, client := connect(t)
	options := &corev1.PodExecOptions{
		Command: []string{"sh", "-c", "cat; echo err >&2; exit 3"}, Stdin: true, Stdout: true, Stderr: true,
	}
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name("one").SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec).URL()
	spdy, err := remotecommand.NewSPDYExecutor(config, "POST", url)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := remotecommand.NewWebSocketExecutor(config, "GET", url.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, executor := range map[string]remotecommand.Executor{"SPDY": spdy, "WebSocket": socket} {
		t.Run(name, func(t *testing.T) {
			sent := strings.Repeat("0123456789abcde\n", 1<<16)
			var out, err bytes.Buffer
			failed := executor.StreamWithContext(within(t, 60), remotecommand.StreamOptions{
				Stdin: strings.NewReader(sent), Stdout: &out, Stderr: &err,
			})
			code, is := failed.(exec.CodeExitError)
			if !is || code.Code != 3 {
				t.Fatal(failed)
			}
			if out.String() != sent || err.String() != "err\n" {
				t.Fatalf("%d of %d bytes came back, and %q", out.Len(), len(sent), err.String())
			}
		})
	}
}
