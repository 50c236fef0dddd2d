BEGIN TRANSACTION;
CREATE TABLE lease (
    id        TEXT PRIMARY KEY,
    boot      TEXT NOT NULL,
    since     REAL NOT NULL,
    job       TEXT NOT NULL,
    placement TEXT NOT NULL,
    seen      TEXT NOT NULL
) STRICT;
INSERT INTO "lease" VALUES('e.1','BOOT',12.5,'{"id": "e.1", "name": "embed[1]", "engine": "e", "claim": {"residency": "gpu_shared", "vram_mib": 900, "ram_mib": 0, "disk_mib": 0, "cores": 2, "cpu_fallback": false, "ram_overflow": false, "model": null, "max_slowdown": 1.5, "runtime_s": 60.0, "cpu_runtime_s": null, "chain_s": 0.0, "priority": 0, "kind": "embed@1"}}','{"residency": "gpu_shared", "why": "fits_beside_others", "card": "gpu-0", "vram_mib": 900, "ram_mib": 100, "disk_mib": 0, "more": []}','[[77, 1234]]');
CREATE TABLE request (
    id     TEXT PRIMARY KEY,
    boot   TEXT NOT NULL,
    since  REAL NOT NULL,
    heard  REAL NOT NULL,
    job    TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO "request" VALUES('e.2','BOOT',13.5,14.5,'{"id": "e.2", "name": "fold", "engine": "e", "claim": {"residency": "gpu_ram_overflow", "vram_mib": 9000, "ram_mib": 8000, "disk_mib": 0, "cores": 1, "cpu_fallback": true, "ram_overflow": true, "model": "fold", "max_slowdown": null, "runtime_s": null, "cpu_runtime_s": 9.5, "chain_s": 12.5, "priority": 3, "kind": ""}}','{"job": "fold", "why": "no_gain_from_sharing", "need": null, "have": null, "behind": ["embed[1]"], "factor": 1.1, "limit": 1.2}');
COMMIT;
PRAGMA user_version = 2;
