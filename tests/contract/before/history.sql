BEGIN TRANSACTION;
CREATE TABLE run (
    id           INTEGER PRIMARY KEY,
    ended_at     REAL NOT NULL,
    source       TEXT NOT NULL,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    profile      TEXT NOT NULL,
    residency    TEXT NOT NULL,
    ran_s        REAL NOT NULL,
    card         TEXT,
    company      TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    declared_mib INTEGER,
    peak_mib     INTEGER
) STRICT
;
INSERT INTO "run" VALUES(1,1.79570679866200423246e+09,'/w/Snakefile','embed[1]','embed@1','m','gpu_shared',3.5,'toy','{"m": 1.5, "fold": 0.25}','out_of_memory',859,1400);
INSERT INTO "run" VALUES(2,1.79570679866200423246e+09,'/w/Snakefile','trim','trim@2','trim@2','cpu_only',1.0,NULL,'{}','ok',NULL,NULL);
COMMIT;
PRAGMA user_version = 1;
