"""What a program with docker-py does on a swarm: `docker_py_session.py <scenario>`, on DOCKER_HOST."""

import io
import socket
import sys
import tarfile
import time

import docker
from docker.errors import APIError, NotFound
from docker.types import (
    ConfigReference,
    DNSConfig,
    EndpointSpec,
    Healthcheck,
    Mount,
    NetworkAttachmentConfig,
    Resources,
    RestartPolicy,
    SecretReference,
    ServiceMode,
    UpdateConfig,
)

DEADLINE_S = 60
IDLE = ["sleep", "1d"]

# It asks which version the server speaks, and speaks that.
client = docker.from_env(timeout=DEADLINE_S)


def until(what, condition):
    end = time.monotonic() + DEADLINE_S
    value = condition()
    while not value:
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.05)
        value = condition()
    return value


def equal(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def refused(status, text, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except APIError as error:
        equal(error.status_code, status)
        assert text in error.explanation, error.explanation
        return
    raise AssertionError(f"{text} was expected")


def running(service, count):
    def look():
        tasks = service.tasks(filters={"desired-state": "running"})
        states = [task["Status"]["State"] for task in tasks]
        return tasks if states == ["running"] * count else None

    return until(f"{service.name} runs {count} times", look)


def idle(name, **options):
    return client.services.create(
        "busybox", name=name, command=IDLE, stop_signal="SIGKILL", **options
    )


def swarm():
    attributes = client.swarm.attrs
    equal(client.swarm.id, attributes["ID"])
    assert client.swarm.version > 0
    assert attributes["JoinTokens"]["Worker"].startswith("SWMTKN-1-")
    tokens = attributes["JoinTokens"]
    client.swarm.update(rotate_worker_token=True)
    client.swarm.reload()
    assert client.swarm.attrs["JoinTokens"]["Worker"] != tokens["Worker"]
    equal(client.swarm.attrs["JoinTokens"]["Manager"], tokens["Manager"])
    equal(client.swarm.get_unlock_key(), {"UnlockKey": ""})
    refused(503, "already part of a swarm", client.swarm.init)
    refused(503, "already part of a swarm", client.swarm.join, ["10.78.0.11:2377"], "x")
    refused(503, "participating as a manager", client.swarm.leave)
    spec = client.swarm.attrs["Spec"]
    limit = spec["Orchestration"]["TaskHistoryRetentionLimit"]
    client.swarm.update(task_history_retention_limit=limit + 1)
    client.swarm.reload()
    equal(client.swarm.attrs["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"], limit + 1)
    client.swarm.update(task_history_retention_limit=limit)
    info = client.info()["Swarm"]
    equal(info["LocalNodeState"], "active")
    equal(info["Nodes"], len(client.nodes.list()))


def nodes():
    managers = client.nodes.list(filters={"role": "manager"})
    equal({node.attrs["Spec"]["Role"] for node in managers}, {"manager"})
    [worker] = client.nodes.list(filters={"role": "worker"})
    equal(client.nodes.get("w1").id, worker.id)
    spec = {**worker.attrs["Spec"], "Labels": {"zone": "b"}}
    worker.update(spec)
    worker.reload()
    equal(worker.attrs["Spec"]["Labels"], {"zone": "b"})
    equal([node.id for node in client.nodes.list(filters={"node.label": "zone=b"})], [worker.id])
    worker.update({**spec, "Labels": {}})
    refused(500, "update out of sequence", worker.update, {**spec, "Labels": {}})
    refused(404, "node nope not found", client.nodes.get, "nope")
    refused(400, "invalid filter 'bogus'", client.nodes.list, filters={"bogus": "1"})
    refused(400, "is not down and can't be removed", client.api.remove_node, worker.id)


def services():
    service = idle(
        "web",
        mode=ServiceMode("replicated", 2),
        labels={"tier": "front"},
        container_labels={"a": "b"},
        constraints=["node.hostname==w1"],
        env=["COLOR=blue"],
        update_config=UpdateConfig(parallelism=2, monitor=500_000_000, order="start-first"),
    )
    tasks = running(service, 2)
    equal({task["ServiceID"] for task in tasks}, {service.id})
    equal({task["NodeID"] for task in tasks}, {client.nodes.get("w1").id})
    equal(sorted(task["Slot"] for task in tasks), [1, 2])
    found = client.services.get("web")
    equal(found.name, "web")
    equal(found.attrs["Spec"]["Labels"], {"tier": "front"})
    equal([one.id for one in client.services.list(filters={"label": "tier=front"})], [service.id])
    equal(client.services.list(filters={"name": "nope"}), [])
    one = client.api.inspect_task(tasks[0]["ID"])
    equal(one["ID"], tasks[0]["ID"])
    assert found.scale(1)
    running(found, 1)
    found.reload()
    equal(found.attrs["Spec"]["Mode"], {"Replicated": {"Replicas": 1}})
    before = [task["ID"] for task in running(found, 1)]
    found.update(env=["COLOR=green"])
    until(
        "the task was replaced",
        lambda: [task["ID"] for task in running(found, 1)] != before,
    )
    found.reload()
    container = found.attrs["Spec"]["TaskTemplate"]["ContainerSpec"]
    equal(container["Env"], ["COLOR=green"])
    equal(container["Labels"], {"a": "b"})
    equal(found.attrs["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Env"], ["COLOR=blue"])
    equal(found.attrs["Spec"]["Labels"], {"tier": "front"})
    before = [task["ID"] for task in running(found, 1)]
    stale = found.attrs["Version"]["Index"]
    assert found.force_update()
    until(
        "the task was replaced by force",
        lambda: [task["ID"] for task in running(found, 1)] != before,
    )
    found.reload()
    equal(found.attrs["Spec"]["TaskTemplate"]["ForceUpdate"], 1)
    update = client.api.update_service
    refused(500, "update out of sequence", update, found.id, stale, fetch_current_spec=True)
    refused(409, "already exists", idle, "web")
    refused(404, "service nope not found", client.services.get, "nope")
    refused(400, "name must be valid as a DNS name component", idle, "bad name")
    defaults = client.api.inspect_service(found.id, insert_defaults=True)
    assert "RestartPolicy" in defaults["Spec"]["TaskTemplate"]
    found.remove()
    refused(404, "not found", found.reload)


def parameters():
    """A service with all that docker-py can say of one."""
    network = client.networks.create("front", driver="overlay", attachable=True)
    secret = client.api.create_secret("key", b"s3cret", labels={"a": "b"})
    config = client.api.create_config("rules", b"allow", labels={"a": "b"})
    service = client.services.create(
        "busybox",
        command=["sh", "-c"],
        args=["cat /run/secrets/key /etc/rules; echo; exec sleep 1d"],
        name="full",
        constraints=["node.hostname==w1"],
        preferences=[("spread", "node.labels.zone")],
        maxreplicas=3,
        platforms=[("x86_64", "linux"), ("aarch64", "linux")],
        labels={"a": "b"},
        container_labels={"c": "d"},
        endpoint_spec=EndpointSpec(mode="vip", ports={8083: (80, "tcp")}),
        env={"ONE": "1"},
        hostname="{{.Service.Name}}",
        init=True,
        log_driver="json-file",
        log_driver_options={"max-size": "1m"},
        mode=ServiceMode("replicated", 1),
        mounts=[
            "data:/data:rw",
            Mount("/scratch", None, type="tmpfs", tmpfs_size=1 << 20, tmpfs_mode=0o1770),
        ],
        networks=[NetworkAttachmentConfig(network.id, aliases=["www"])],
        resources=Resources(cpu_limit=500_000_000, mem_limit=64 << 20, mem_reservation=8 << 20),
        restart_policy=RestartPolicy("on-failure", delay=2_000_000_000, max_attempts=3),
        secrets=[SecretReference(secret["ID"], "key", uid="0", gid="0", mode=0o400)],
        configs=[ConfigReference(config["ID"], "rules", filename="/etc/rules")],
        stop_grace_period=1_000_000_000,
        stop_signal="SIGKILL",
        update_config=UpdateConfig(parallelism=2, failure_action="rollback"),
        user="0",
        workdir="/tmp",
        groups=["7"],
        open_stdin=True,
        read_only=True,
        healthcheck=Healthcheck(test=["CMD", "true"], interval=1_000_000_000),
        hosts={"db": "10.78.0.1"},
        dns_config=DNSConfig(nameservers=["10.78.0.1"], search=["example.org"]),
        cap_add=["NET_ADMIN"],
        cap_drop=["MKNOD"],
    )
    running(service, 1)
    spec = client.services.get("full").attrs["Spec"]
    template = spec["TaskTemplate"]
    container = template["ContainerSpec"]
    equal(container["Command"], ["sh", "-c"])
    equal(container["Env"], ["ONE=1"])
    equal(container["Hosts"], ["10.78.0.1 db"])
    equal(container["Init"], True)
    equal(container["ReadOnly"], True)
    equal(container["Groups"], ["7"])
    equal(container["Healthcheck"], {"Test": ["CMD", "true"], "Interval": 1_000_000_000})
    equal(container["CapabilityAdd"], ["NET_ADMIN"])
    equal(container["Secrets"][0]["SecretName"], "key")
    equal(container["Configs"][0]["ConfigName"], "rules")
    equal([mount["Type"] for mount in container["Mounts"]], ["volume", "tmpfs"])
    equal(template["Placement"]["MaxReplicas"], 3)
    spread = {"Spread": {"SpreadDescriptor": "node.labels.zone"}}
    equal(template["Placement"]["Preferences"], [spread])
    equal(template["Resources"]["Limits"], {"NanoCPUs": 500_000_000, "MemoryBytes": 64 << 20})
    equal(template["Networks"], [{"Target": network.id, "Aliases": ["www"]}])
    equal(template["LogDriver"], {"Name": "json-file", "Options": {"max-size": "1m"}})
    equal(spec["UpdateConfig"]["FailureAction"], "rollback")
    equal(spec["EndpointSpec"]["Ports"][0]["PublishedPort"], 8083)
    until("both are read", lambda: b"s3cretallow" in b"".join(service.logs(stdout=True)))
    refused(400, "secret 'key' is in use", client.api.remove_secret, secret["ID"])
    refused(400, "config 'rules' is in use", client.api.remove_config, config["ID"])
    service.remove()
    client.api.remove_secret(secret["ID"])
    client.api.remove_config(config["ID"])
    network.remove()


def modes():
    everywhere = idle("all", mode=ServiceMode("global"))
    running(everywhere, len(client.nodes.list()))
    try:
        everywhere.scale(2)
        raise AssertionError("a global service has no number of replicas")
    except docker.errors.InvalidArgument:
        pass
    everywhere.remove()
    # This library has no word for jobs; whoever needs them writes what the API reads.
    template = docker.types.TaskTemplate({"Image": "busybox", "Args": ["true"]})
    once = {"ReplicatedJob": {"TotalCompletions": 2}}
    job = client.services.get(client.api.create_service(template, name="job", mode=once))
    until(
        "the job is done",
        lambda: [task["Status"]["State"] for task in job.tasks()] == ["complete"] * 2,
    )
    job.remove()


def logs():
    script = "echo one; echo two >&2; exec sleep 1d"
    service = client.services.create(
        "busybox", name="talk", command=["sh", "-c", script], stop_signal="SIGKILL"
    )
    running(service, 1)
    until("both lines", lambda: b"".join(service.logs(stdout=True, stderr=True)).count(b"\n") == 2)
    equal(b"".join(service.logs(stdout=True)), b"one\n")
    equal(b"".join(service.logs(stderr=True)), b"two\n")
    detailed = b"".join(service.logs(stdout=True, details=True, timestamps=True))
    assert f"com.docker.swarm.service.id={service.id}".encode() in detailed, detailed
    following = service.logs(stdout=True, follow=True, tail="all")
    equal(next(following), b"one\n")
    refused(404, "service nope not found", client.api.service_logs, "nope", stdout=True)
    service.remove()


def documents():
    for kind, collection in (("secret", client.secrets), ("config", client.configs)):
        made = collection.create(name="first", data=b"one", labels={"a": "b"})
        found = collection.get(made.id)
        equal(found.name, "first")
        equal(found.attrs["Spec"]["Labels"], {"a": "b"})
        equal([one.id for one in collection.list(filters={"name": "first"})], [made.id])
        equal(collection.list(filters={"label": "none"}), [])
        refused(409, f"{kind} first already exists", collection.create, name="first", data=b"two")
        refused(400, "invalid name", collection.create, name="bad name", data=b"two")
        found.remove()
        refused(404, f"{kind} {made.id} not found", collection.get, made.id)


def networks():
    ipam = docker.types.IPAMConfig(
        pool_configs=[docker.types.IPAMPool(subnet="10.57.0.0/24", gateway="10.57.0.1")]
    )
    network = client.networks.create(
        "back", driver="overlay", attachable=True, labels={"a": "b"}, ipam=ipam, scope="swarm"
    )
    equal(network.attrs["Scope"], "swarm")
    pool = {"Subnet": "10.57.0.0/24", "Gateway": "10.57.0.1"}
    until("it has its addresses", lambda: addresses(network) == [pool])
    equal([one.id for one in client.networks.list(names=["back"])], [network.id])
    equal([one.id for one in client.networks.list(filters={"label": "a=b"})], [network.id])
    refused(409, "back already exists", client.networks.create, "back", driver="overlay")
    container = client.containers.run(
        "busybox", IDLE, detach=True, name="attached", network="back", stop_signal="SIGKILL"
    )
    assert "back" in client.containers.get(container.id).attrs["NetworkSettings"]["Networks"]
    network.disconnect(container)
    network.connect(container, aliases=["again"])
    container.remove(force=True)
    until("the network can go", lambda: gone(network))
    refused(404, "not found", client.networks.get, network.id)


def addresses(network):
    network.reload()
    return network.attrs["IPAM"]["Config"]


def gone(network):
    try:
        network.remove()
    except APIError as error:
        if error.status_code in (400, 403):
            return False
        raise
    return True


def events():
    since = int(time.time())
    stream = client.events(
        since=since,
        decode=True,
        filters={"type": ["service", "secret"], "scope": "swarm", "event": ["create", "remove"]},
    )
    secret = client.secrets.create(name="seen", data=b"x")
    service = idle("seen", mode=ServiceMode("replicated", 0))
    service.remove()
    secret.remove()
    wanted = [("secret", "create"), ("secret", "remove"), ("service", "create"), ("service", "remove")]
    found = set()
    for event in stream:
        if event["Actor"]["ID"] in (secret.id, service.id):
            found.add((event["Type"], event["Action"]))
            equal(event["scope"], "swarm")
        if len(found) == len(wanted):
            break
    stream.close()
    equal(sorted(found), wanted)


def containers():
    """The engine of the host, through the same socket."""
    box = client.containers.run(
        "busybox", ["sh", "-c", "echo out; echo err >&2; exec sleep 1d"], detach=True, name="box"
    )
    try:
        # The engine reads the two streams side by side: which it has first is chance.
        until("it wrote", lambda: sorted(box.logs().splitlines()) == [b"err", b"out"])
        code, output = box.exec_run(["sh", "-c", "echo inside; exit 3"])
        equal((code, output), (3, b"inside\n"))
        code, streams = box.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
        equal((code, streams), (0, (b"o\n", b"e\n")))
        _, conversation = box.exec_run("cat", stdin=True, socket=True)
        raw = conversation._sock if hasattr(conversation, "_sock") else conversation
        raw.sendall(b"typed")
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := raw.recv(1024):
            answer += chunk
        equal(answer, b"\x01\0\0\0\0\0\0\x05typed")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo("copied")
            member.size = 4
            tar.addfile(member, io.BytesIO(b"file"))
        assert box.put_archive("/tmp", archive.getvalue())
        chunks, stat = box.get_archive("/tmp/copied")
        equal(stat["size"], 4)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            equal(tar.extractfile("copied").read(), b"file")
        equal(box.stats(stream=False)["name"], "/box")
    finally:
        box.remove(force=True)
    equal(client.containers.run("busybox", ["echo", "hello"], remove=True), b"hello\n")
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL a=b\n"), tag="py-built")
    saved = b"".join(image.save(named=True))
    client.images.remove("py-built")
    [loaded] = client.images.load(saved)
    equal(loaded.id, image.id)
    client.images.remove(loaded.id, force=True)
    try:
        client.images.get("nope")
        raise AssertionError("there is no such image")
    except NotFound:
        pass


scenarios = {
    one.__name__: one
    for one in (swarm, nodes, services, parameters, modes, logs, documents, networks, events, containers)
}

if __name__ == "__main__":
    scenarios[sys.argv[1]]()
    print("done")
