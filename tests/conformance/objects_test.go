package conformance

import (
	"context"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/test/e2e/framework"
	"sigs.k8s.io/yaml"
)

func init() {
	framework.NewFrameworkExtensions = append(framework.NewFrameworkExtensions, func(f *framework.Framework) {
		ginkgo.AfterEach(func(ctx context.Context) {
			report := ginkgo.CurrentSpecReport()
			if *outcomes == "" || !report.Failed() || f.ClientSet == nil || f.Namespace == nil {
				return
			}
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			keep(folder(report), "objects.yaml", "%s", objects(ctx, f))
		})
	})
}

// objects is everything in a spec's namespace, and the nodes, as YAML documents. What cannot be read is named in a
// comment: a broken server must not hide the failure that led here.
func objects(ctx context.Context, f *framework.Framework) string {
	var text strings.Builder
	kinds := []schema.GroupVersionResource{{Version: "v1", Resource: "nodes"}}
	lists, err := f.ClientSet.Discovery().ServerPreferredNamespacedResources()
	if err != nil {
		text.WriteString("# discovery: " + strings.ReplaceAll(err.Error(), "\n", " ") + "\n")
	}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if group, err := schema.ParseGroupVersion(list.GroupVersion); err == nil && listable(resource) {
				kinds = append(kinds, group.WithResource(resource.Name))
			}
		}
	}
	for position, kind := range kinds {
		namespace := f.Namespace.Name
		if position == 0 {
			namespace = ""
		}
		found, err := f.DynamicClient.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			text.WriteString("# " + kind.String() + ": " + strings.ReplaceAll(err.Error(), "\n", " ") + "\n")
			continue
		}
		for _, item := range found.Items {
			if data, err := yaml.Marshal(item.Object); err == nil {
				text.WriteString("---\n" + string(data))
			}
		}
	}
	return text.String()
}

func listable(resource metav1.APIResource) bool {
	for _, verb := range resource.Verbs {
		if verb == "list" {
			return true
		}
	}
	return false
}
