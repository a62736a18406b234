// An operator on controller-runtime, as its users write one: built-in kinds in protobuf, caches fed by informers, one
// leader by Lease, webhooks that admit and convert, served with certificates. test_operator.py runs it.
package main

import (
	"flag"
	"log"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

func main() {
	identity := flag.String("identity", "", "what this process writes into the status of Sites")
	namespace := flag.String("namespace", "", "where the Sites and the Lease are")
	host := flag.String("host", "", "address of the webhooks; without one they are not served")
	port := flag.Int("port", 0, "and their port")
	certificates := flag.String("certificates", "", "folder with tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseDevMode(true)))

	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	must(register(scheme))
	// Long enough for a server that is killed and comes back.
	lease, renew, retry := 12*time.Second, 10*time.Second, time.Second
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{*namespace: {}}},
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "sites",
		LeaderElectionNamespace:       *namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		WebhookServer:                 webhook.NewServer(webhook.Options{Host: *host, Port: *port, CertDir: *certificates}),
	})
	must(err)
	must(ctrl.NewControllerManagedBy(manager).For(&Site{}).Owns(&appsv1.Deployment{}).Owns(&corev1.ConfigMap{}).
		Complete(&reconciler{manager.GetClient(), *identity}))
	if *host != "" {
		must(ctrl.NewWebhookManagedBy(manager, &Site{}).WithDefaulter(admitter{}).WithValidator(admitter{}).Complete())
	}
	must(manager.Start(ctrl.SetupSignalHandler()))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
