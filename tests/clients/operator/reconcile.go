package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const finalizer = Group + "/farewell"

// reconciler keeps a ConfigMap and a Deployment for every Site, and says how they are.
type reconciler struct {
	client.Client
	identity string
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	site := &Site{}
	if err := r.Get(ctx, request.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !site.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.farewell(ctx, site)
	}
	if controllerutil.AddFinalizer(site, finalizer) {
		return ctrl.Result{}, r.Update(ctx, site)
	}
	deployment, err := r.apply(ctx, site)
	if err != nil {
		return ctrl.Result{}, err
	}
	before := client.MergeFrom(site.DeepCopyObject().(*Site))
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Waiting", ObservedGeneration: site.Generation}
	if status := deployment.Status; status.ReadyReplicas == *site.Spec.Replicas && status.UpdatedReplicas == status.Replicas {
		ready.Status, ready.Reason = metav1.ConditionTrue, "AllReady"
	}
	meta.SetStatusCondition(&site.Status.Conditions, ready)
	site.Status.Ready, site.Status.Leader = deployment.Status.ReadyReplicas, r.identity
	return ctrl.Result{}, r.Status().Patch(ctx, site, before)
}

func (r *reconciler) apply(ctx context.Context, site *Site) (*appsv1.Deployment, error) {
	named := metav1.ObjectMeta{Name: site.Name, Namespace: site.Namespace}
	text := &corev1.ConfigMap{ObjectMeta: named}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, text, func() error {
		text.Data = map[string]string{"text": site.Spec.Text}
		return controllerutil.SetControllerReference(site, text, r.Scheme())
	}); err != nil {
		return nil, err
	}
	deployment := &appsv1.Deployment{ObjectMeta: named}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		labels := map[string]string{"site": site.Name}
		deployment.Spec.Replicas = site.Spec.Replicas
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		grace := int64(1)
		deployment.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
		if len(deployment.Spec.Template.Spec.Containers) == 0 {
			deployment.Spec.Template.Spec.Containers = make([]corev1.Container, 1)
		}
		container := &deployment.Spec.Template.Spec.Containers[0]
		container.Name, container.Image = "main", site.Spec.Image
		container.Command = []string{"sh", "-c", "echo $TEXT; exec sleep 3600"}
		container.Env = []corev1.EnvVar{{Name: "TEXT", Value: site.Spec.Text}}
		return controllerutil.SetControllerReference(site, deployment, r.Scheme())
	})
	return deployment, err
}

// farewell leaves a ConfigMap that nobody owns, then lets the Site go.
func (r *reconciler) farewell(ctx context.Context, site *Site) error {
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: site.Name + "-farewell", Namespace: site.Namespace}}
	if err := client.IgnoreAlreadyExists(r.Create(ctx, note)); err != nil {
		return err
	}
	controllerutil.RemoveFinalizer(site, finalizer)
	return r.Update(ctx, site)
}
