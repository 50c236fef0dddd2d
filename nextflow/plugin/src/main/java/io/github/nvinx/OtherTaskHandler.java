package io.github.nvinx;

import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskRun;

/** A task without the card; it lets those that have it take their CPUs first, or the card idles. */
class OtherTaskHandler extends LocalTaskHandler {
    private final Line line;

    OtherTaskHandler(TaskRun task, CardExecutor executor, Line line) {
        super(task, executor);
        this.line = line;
    }

    @Override
    public boolean isReady() {
        return !line.wantsCpus();
    }
}
