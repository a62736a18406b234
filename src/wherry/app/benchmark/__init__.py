"""The CIS Kubernetes Benchmark, judged on what runs here: facts are gathered in one place, checks decide over them."""
