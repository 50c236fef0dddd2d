package io.github.nvinx;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import nextflow.processor.TaskRun;

/**
 * A place in the line for the card: a process that waits and then holds the lease, until the guard
 * in the task's wrapper takes it, or this JVM is no more.
 */
final class Place {
    private static final String GUARD = "nvinx nextflow guard";
    private static final String ON_CPU = "nvinx_mode='cpu'";
    private static final String HELD = ".nvinx.held";

    private final Process process;
    private final File held;

    private Place(Process process, File held) {
        this.process = process;
        this.held = held;
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
            return new Place(builder.start(), new File(folder, HELD));
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
}
