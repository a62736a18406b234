"""A Job's pod: the template, the tracking finalizer and, in Indexed mode, its index in every form.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.batch.job import JOB
from wherry.api.types.batch import Job
from wherry.api.types.core import Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod
from wherry.controllers.job_failure import FAILURE_COUNT, IGNORED_COUNT
from wherry.controllers.job_indexes import INDEX
from wherry.controllers.job_tally import FINALIZER
from wherry.machinery.meta import ObjectMeta
from wherry.reconcile.ownership import reference

VARIABLE = "JOB_COMPLETION_INDEX"


def new_pod(job: Job, index: int | None, failures: int) -> Pod:
    """A pod for an index, which has failed so many times before; None for a Job without indexes."""
    template = job.spec.template
    prefix, spec = job.metadata.name, template.spec
    labels, annotations = dict(template.metadata.labels), dict(template.metadata.annotations)
    if index is not None:
        prefix = f"{prefix}-{index}"
        labels[INDEX] = annotations[INDEX] = str(index)
        spec = replace(
            spec,
            hostname=prefix,
            containers=tuple(_with_index(c) for c in spec.containers),
            init_containers=tuple(_with_index(c) for c in spec.init_containers),
        )
        if job.spec.backoff_limit_per_index is not None:
            annotations[FAILURE_COUNT] = str(failures)
            annotations[IGNORED_COUNT] = "0"
    meta = ObjectMeta(
        generate_name=f"{prefix}-",
        namespace=job.metadata.namespace,
        labels=labels,
        annotations=annotations,
        finalizers=tuple(dict.fromkeys((*template.metadata.finalizers, FINALIZER))),
        owner_references=(reference(JOB, job),),
    )
    return Pod(metadata=meta, spec=spec)


def _with_index(container: Container) -> Container:
    if any(variable.name == VARIABLE for variable in container.env):
        return container
    field = ObjectFieldSelector(api_version="v1", field_path=f"metadata.labels['{INDEX}']")
    variable = EnvVar(name=VARIABLE, value_from=EnvVarSource(field_ref=field))
    return replace(container, env=(*container.env, variable))
