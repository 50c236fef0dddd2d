package io.github.nvinx;

import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskRun;

/** A task that is submitted, and takes its CPUs, once its lease is held for it. */
class CardTaskHandler extends LocalTaskHandler {
    private final CardExecutor executor;
    private Place place;

    CardTaskHandler(TaskRun task, CardExecutor executor) {
        super(task, executor);
        this.executor = executor;
    }

    @Override
    public boolean isReady() {
        if (place == null) {
            place = executor.queue(getTask());
        }
        return place != null && place.isSettled();
    }
}
