package io.github.nvinx;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import nextflow.processor.TaskProcessor;
import nextflow.processor.TaskRun;

/**
 * A place in the line for the card: a process that waits and then holds the lease, until the guard
 * in the task's wrapper takes it, or this JVM is no more.
 */
final class Place {
    private static final String GUARD = "nvinx nextflow guard";
    private static final String ON_CPU = "nvinx_mode='cpu'";
    /** How long a place may keep other tasks from the CPUs before it knows whether it waits. */
    private static final long PATIENCE_NS = 3_000_000_000L;

    private final TaskProcessor processor;
    private final int cpus;
    private final Process process;
    private final File held;
    private final File log;
    private final long since = System.nanoTime();
    private volatile boolean submitted;

    private Place(TaskRun task, Process process, File held, File log) {
        this.processor = task.getProcessor();
        this.cpus = task.getConfig().getCpus();
        this.process = process;
        this.held = held;
        this.log = log;
    }

    /** Whether the task's beforeScript is that of nvinx.config, and asks for a card. */
    static boolean isWantedBy(TaskRun task) {
        String script = task.getConfig().getBeforeScript();
        return script != null && script.contains(GUARD) && !script.contains(ON_CPU);
    }

    /** Run the task's own beforeScript in its folder; the guard knows by the variable to prepare. */
    static Place take(TaskRun task) {
        File folder = task.getWorkDir().toFile();
        File log = new File(folder, ".nvinx.log");
        ProcessBuilder builder =
                new ProcessBuilder("bash", "-ec", task.getConfig().getBeforeScript())
                        .directory(folder)
                        .redirectErrorStream(true)
                        .redirectOutput(log);
        builder.environment().put("NVINX_PREPARE_FOR", Long.toString(ProcessHandle.current().pid()));
        try {
            Process process = builder.start();
            return new Place(task, process, new File(folder, ".nvinx.held"), log);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Whether the lease is held; or never will be, which the wrapper's own guard then tells. */
    boolean isSettled() {
        return held.exists() || isLeft();
    }

    boolean isLeft() {
        return !process.isAlive();
    }

    boolean isUnsubmittedOf(TaskProcessor other) {
        return !submitted && processor == other;
    }

    /** It stands in line, and was not submitted. */
    boolean waits() {
        return !submitted && !isLeft();
    }

    /** It has the card and no CPUs yet; or it asked just now, and was not told to wait. */
    boolean wantsCpus() {
        boolean asks = log.length() == 0 && System.nanoTime() - since < PATIENCE_NS;
        return waits() && (asks || held.exists());
    }

    int cpus() {
        return cpus;
    }

    void leaveLine() {
        submitted = true;
    }
}
