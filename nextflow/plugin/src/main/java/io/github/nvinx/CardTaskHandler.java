package io.github.nvinx;

import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskRun;

/** A task that is submitted, and takes its CPUs, once its lease is held for it. */
class CardTaskHandler extends LocalTaskHandler {
    private final Line line;
    private Place place;

    CardTaskHandler(TaskRun task, CardExecutor executor, Line line) {
        super(task, executor);
        this.line = line;
        this.place = line.queue(task); // at once: nobody asks isReady while as many run as may
    }

    @Override
    public boolean isReady() {
        if (place == null) {
            place = line.queue(getTask());
        }
        return place != null && place.isSettled();
    }

    @Override
    public void submit() {
        super.submit();
        place.leaveLine();
    }

    @Override
    public boolean checkIfCompleted() {
        boolean completed = super.checkIfCompleted();
        if (completed) {
            line.advance();
        }
        return completed;
    }
}
