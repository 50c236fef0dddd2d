package io.github.nvinx;

import java.util.HashSet;
import java.util.Set;
import nextflow.processor.TaskProcessor;
import nextflow.processor.TaskRun;

/** The tasks of this run that stand in line for the card. */
final class Line {
    /** Each that stands in line is a process, so not all do. */
    private static final int MOST = 8;

    /** How long after the end of a task on the card the next one may take to get it. */
    private static final long HANDOVER_NS = 1_000_000_000L;

    private final Set<Place> places = new HashSet<>();
    private long advanced = System.nanoTime() - HANDOVER_NS;

    /** A place for this task; null while the line is long enough, or maxForks would stop it. */
    synchronized Place queue(TaskRun task) {
        places.removeIf(Place::isLeft);
        if (places.size() >= MOST || forksLeft(task.getProcessor()) < 1) {
            return null;
        }
        Place place = Place.take(task);
        places.add(place);
        return place;
    }

    /** How many CPUs those want that have the card, or may be about to get it. */
    synchronized int wantedCpus() {
        int wanted = places.stream().filter(Place::wantsCpus).mapToInt(Place::cpus).sum();
        boolean advances = System.nanoTime() - advanced < HANDOVER_NS;
        return wanted == 0 && advances ? nextOnesCpus() : wanted;
    }

    private int nextOnesCpus() {
        return places.stream().filter(Place::waits).mapToInt(Place::cpus).max().orElse(0);
    }

    /** A task that had the card has ended. */
    synchronized void advance() {
        advanced = System.nanoTime();
    }

    private long forksLeft(TaskProcessor processor) {
        if (processor.getMaxForks() < 1) {
            return MOST;
        }
        long waiting = places.stream().filter(place -> place.isUnsubmittedOf(processor)).count();
        return processor.getMaxForks() - processor.getForksCount().intValue() - waiting;
    }
}
