package io.github.nvinx;

import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskRun;

/**
 * A task without the card. Where CPUs are short, it lets those that have the card take theirs first,
 * or the card idles.
 */
class OtherTaskHandler extends LocalTaskHandler {
    private final Line line;
    private final CardExecutor executor;

    OtherTaskHandler(TaskRun task, CardExecutor executor, Line line) {
        super(task, executor);
        this.line = line;
        this.executor = executor;
    }

    @Override
    public boolean isReady() {
        int wanted = line.wantedCpus();
        return wanted == 0 || FreeCpus.of(executor) - getTask().getConfig().getCpus() >= wanted;
    }
}
