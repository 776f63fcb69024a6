# What R finds on the samples of a folder, as rows of dataset, analysis, term, quantity, value (17 significant digits).
#
#   Rscript stats_r.R FOLDER OUT.csv
#
# The folder may hold the simulated samples beside this script (stats_data_*.csv), the two tables of the simulated cohort
# (analysis_lesions.csv, analysis_patients.csv), or public data sets (aSAH.csv, veteran.csv, colon.csv, cancer.csv);
# what is there is analysed. Written with R 4.2.2, survival 3.5-3, pROC 1.18.0.

suppressPackageStartupMessages({
  library(survival)
  library(pROC)
})

arguments <- commandArgs(trailingOnly = TRUE)
stopifnot(length(arguments) == 2)
folder <- arguments[1]
results <- list()

add <- function(dataset, analysis, term, quantity, value) {
  stopifnot(length(quantity) == length(value) || length(quantity) == 1)
  results[[length(results) + 1]] <<- data.frame(
    dataset = dataset, analysis = analysis, term = term, quantity = quantity,
    value = ifelse(is.na(value), "NA", sprintf("%.17g", value))
  )
}
present <- function(name) file.exists(file.path(folder, name))
table_of <- function(name) read.csv(file.path(folder, name), stringsAsFactors = FALSE)

# ---------------------------------------------------------------- scores against a class
# `points`: every point of the curve as well; only of the simulated samples, whose data stand beside this script anyway.
roc_figures <- function(dataset, score, positive, points = FALSE) {
  curve <- roc(positive, score, levels = c(0, 1), direction = "<", quiet = TRUE)
  limits <- ci.auc(curve, method = "delong")
  add(dataset, "roc", "", c("auc", "ci_lower", "ci_upper"), as.numeric(limits)[c(2, 1, 3)])
  add(dataset, "roc", "", "variance", var(curve, method = "delong"))
  limits <- ci.auc(curve, method = "delong", conf.level = 0.8)
  add(dataset, "roc_80", "", c("ci_lower", "ci_upper"), as.numeric(limits)[c(1, 3)])
  # pROC compares the indices as they are rounded; a tie is a tie here.
  index <- curve$sensitivities + curve$specificities - 1
  best <- which(index > max(index) - 1e-12)
  lowest <- best[which.min(curve$thresholds[best])]
  add(dataset, "youden", "midpoint",
      c("cutoff", "index", "sensitivity", "specificity", "n_optima"),
      c(curve$thresholds[lowest], index[lowest], curve$sensitivities[lowest], curve$specificities[lowest], length(best)))
  if (!points) return(invisible())
  add(dataset, "curve", "midpoint", sprintf("threshold_%04d", seq_along(curve$thresholds)), rev(curve$thresholds))
  add(dataset, "curve", "midpoint", sprintf("sensitivity_%04d", seq_along(curve$thresholds)), rev(curve$sensitivities))
  add(dataset, "curve", "midpoint", sprintf("specificity_%04d", seq_along(curve$thresholds)), rev(curve$specificities))
}

rank_sum <- function(dataset, term, a, b) {
  test <- suppressWarnings(wilcox.test(a, b))
  add(dataset, "mann_whitney", term, c("u", "p", "exact"),
      c(test$statistic, test$p.value, as.numeric(grepl("exact", test$method))))
}

rank_groups <- function(dataset, term, values, groups) {
  test <- kruskal.test(values, groups)
  add(dataset, "kruskal_wallis", term, c("h", "df", "p"), c(test$statistic, test$parameter, test$p.value))
}

# ---------------------------------------------------------------- trend and tables
exact_trend <- function(x, n, score) {
  # Every table with these group sizes and this number of successes, each with its multivariate hypergeometric weight.
  tables <- as.matrix(expand.grid(lapply(n, function(size) 0:size)))
  tables <- tables[rowSums(tables) == sum(x), , drop = FALSE]
  weight <- apply(tables, 1, function(row) prod(choose(n, row))) / choose(sum(n), sum(x))
  distance <- abs(tables %*% score - sum(x) * sum(n * score) / sum(n))
  observed <- abs(sum(x * score) - sum(x) * sum(n * score) / sum(n))
  sum(weight[distance >= observed - 1e-9])
}

trend <- function(dataset, term, x, n, score) {
  filled <- n > 0
  test <- prop.trend.test(x[filled], n[filled], score[filled])
  add(dataset, "trend", term, c("chi2", "p", "exact_p"), c(test$statistic, test$p.value, exact_trend(x, n, score)))
}

proportion <- function(dataset, term, k, n) {
  if (n == 0) return(invisible())
  add(dataset, "clopper_pearson", term, c("lower", "upper"), binom.test(k, n)$conf.int)
  add(dataset, "wilson", term, c("lower", "upper"), suppressWarnings(prop.test(k, n, correct = FALSE))$conf.int)
}

mercaldo <- function(dataset, term, sensitivity, specificity, positives, negatives) {
  # Mercaldo, Lau and Zhou 2007 in the letters of the paper, at the prevalence of the sample.
  prevalence <- positives / (positives + negatives)
  ppv <- sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
  npv <- specificity * (1 - prevalence) / ((1 - sensitivity) * prevalence + specificity * (1 - prevalence))
  ppv_variance <- ((1 - sensitivity) / sensitivity) / positives + (specificity / (1 - specificity)) / negatives
  npv_variance <- (sensitivity / (1 - sensitivity)) / positives + ((1 - specificity) / specificity) / negatives
  z <- qnorm(0.975)
  if (ppv > 0 && ppv < 1)
    add(dataset, "mercaldo", paste(term, "ppv"), c("lower", "upper"), plogis(qlogis(ppv) + c(-z, z) * sqrt(ppv_variance)))
  if (npv > 0 && npv < 1)
    add(dataset, "mercaldo", paste(term, "npv"), c("lower", "upper"), plogis(qlogis(npv) + c(-z, z) * sqrt(npv_variance)))
}

diagnostic <- function(dataset, term, tp, fp, tn, fn) {
  proportion(dataset, paste(term, "sensitivity"), tp, tp + fn)
  proportion(dataset, paste(term, "specificity"), tn, tn + fp)
  proportion(dataset, paste(term, "ppv"), tp, tp + fp)
  proportion(dataset, paste(term, "npv"), tn, tn + fn)
  proportion(dataset, paste(term, "accuracy"), tp + tn, tp + fp + tn + fn)
  mercaldo(dataset, term, tp / (tp + fn), tn / (tn + fp), tp + fn, tn + fp)
}

# ---------------------------------------------------------------- times to event
curves <- function(dataset, term, time, event, points = FALSE) {
  for (kind in c("log-log", "log", "plain")) {
    fit <- survfit(Surv(time, event) ~ 1, conf.type = kind)
    name <- gsub("-", "_", kind)
    middle <- quantile(fit, 0.5)
    add(dataset, paste0("median_", name), term, c("median", "lower", "upper"),
        c(middle$quantile, middle$lower, middle$upper))
    if (!points) next
    at <- sprintf("%04d", seq_along(fit$time))
    add(dataset, paste0("survfit_", name), term, paste0("lower_", at), fit$lower)
    add(dataset, paste0("survfit_", name), term, paste0("upper_", at), fit$upper)
  }
  if (points) {
    add(dataset, "survfit", term, paste0("time_", at), fit$time)
    add(dataset, "survfit", term, paste0("survival_", at), fit$surv)
    add(dataset, "survfit", term, paste0("at_risk_", at), fit$n.risk)
    add(dataset, "survfit", term, paste0("events_", at), fit$n.event)
    add(dataset, "survfit", term, paste0("censored_", at), fit$n.censor)
  }
  follow_up <- survfit(Surv(time, 1 - event) ~ 1)
  add(dataset, "follow_up", term, "median", quantile(follow_up, 0.5)$quantile)
}

logrank <- function(dataset, term, time, event, group) {
  test <- survdiff(Surv(time, event) ~ group)
  add(dataset, "log_rank", term, c("chi2", "df", "p"), c(test$chisq, sum(test$exp > 0) - 1, test$pvalue))
}

# `model` is a right-hand side over the columns of `data`; the columns of `data` are numbers already.
hazards <- function(dataset, term, data, model) {
  for (ties in c("efron", "breslow")) {
    fit <- coxph(as.formula(paste("Surv(time, event) ~", model)), data = data, ties = ties,
                 control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 100))
    figures <- summary(fit)
    for (name in rownames(figures$coefficients)) {
      add(dataset, paste0("cox_", ties), paste(term, name, sep = ":"), c("coefficient", "hr", "se", "z", "p"),
          figures$coefficients[name, ])
      add(dataset, paste0("cox_", ties), paste(term, name, sep = ":"), c("lower", "upper"),
          figures$conf.int[name, c("lower .95", "upper .95")])
    }
    add(dataset, paste0("cox_", ties), term, c("log_likelihood_null", "log_likelihood"), fit$loglik)
    add(dataset, paste0("cox_", ties), term, c("lr_chi2", "lr_df", "lr_p"), figures$logtest)
    variance <- vcov(fit)
    if (ncol(variance) > 1) add(dataset, paste0("cox_", ties), term, "covariance_12", variance[1, 2])
  }
}

# ---------------------------------------------------------------- the simulated samples beside this script
if (present("stats_data_roc.csv")) {
  d <- table_of("stats_data_roc.csv")
  roc_figures("roc", d$score, d$positive, TRUE)
  rank_sum("roc", "ties", d$score[d$positive == 1], d$score[d$positive == 0])
  rank_sum("roc", "six clusters", d$score[d$cluster <= 3], d$score[d$cluster > 3 & d$cluster <= 6])
  rank_groups("roc", "cluster", d$score, d$cluster)
  spread <- d$score + seq_len(nrow(d)) / 1e4
  rank_sum("roc", "no ties, small", spread[d$cluster <= 8], spread[d$cluster > 8 & d$cluster <= 16])
  rank_sum("roc", "no ties, large", spread[d$positive == 1], spread[d$positive == 0])
  rank_sum("roc", "no ties, tiny", spread[1:3], spread[c(40, 80)])
  rank_groups("roc", "no ties", spread[1:60], d$cluster[1:60] %% 3)
}
if (present("stats_data_survival.csv")) {
  d <- table_of("stats_data_survival.csv")
  curves("survival", "all", d$time, d$event, TRUE)
  for (group in c("a", "b", "c")) curves("survival", group, d$time[d$group == group], d$event[d$group == group])
  logrank("survival", "group", d$time, d$event, d$group)
  logrank("survival", "level", d$time, d$event, d$level)
  d$level2 <- as.numeric(d$level == 2)
  d$level3 <- as.numeric(d$level == 3)
  d$group_b <- as.numeric(d$group == "b")
  hazards("survival", "level", d, "level2 + level3")
  hazards("survival", "group", d, "group_b")
  hazards("survival", "marker", d, "marker")
  hazards("survival", "all", d, "level2 + level3 + group_b + marker")
}
if (present("stats_data_median.csv")) {
  d <- table_of("stats_data_median.csv")
  for (name in unique(d$set)) curves("median", name, d$time[d$set == name], d$event[d$set == name], TRUE)
}
if (present("stats_data_trend.csv")) {
  d <- table_of("stats_data_trend.csv")
  for (name in unique(d$set)) with(d[d$set == name, ], trend("trend", name, successes, total, score))
}
if (present("stats_data_table.csv")) {
  d <- table_of("stats_data_table.csv")
  for (row in seq_len(nrow(d))) with(d[row, ], diagnostic("table", set, tp, fp, tn, fn))
}

# ---------------------------------------------------------------- the simulated cohort
if (present("analysis_lesions.csv")) {
  d <- table_of("analysis_lesions.csv")
  roc_figures("lesions", d$mad_gy, as.numeric(d$response %in% c("CR", "PR")))
  for (pair in combn(c("CR", "PR", "SD", "PD"), 2, simplify = FALSE))
    rank_sum("lesions", paste(pair, collapse = " "), d$mad_gy[d$response == pair[1]], d$mad_gy[d$response == pair[2]])
  rank_groups("lesions", "response", d$mad_gy, d$response)
}
if (present("analysis_patients.csv")) {
  d <- table_of("analysis_patients.csv")
  evaluable <- d[d$evaluable == 1, ]
  roc_figures("patients", evaluable$mad_gy, evaluable$hepatic_responder)
  rank_sum("patients", "response", evaluable$mad_gy[evaluable$hepatic_responder == 1],
           evaluable$mad_gy[evaluable$hepatic_responder == 0])
  rank_groups("patients", "grade", evaluable$mad_gy, evaluable$grade)
  trend("patients", "grade", as.vector(tapply(evaluable$hepatic_responder, evaluable$grade, sum)),
        as.vector(table(evaluable$grade)), 1:3)
  d$g2 <- as.numeric(d$grade == 2)
  d$g3 <- as.numeric(d$grade == 3)
  d$pancreas <- as.numeric(d$origin == "pancreas")
  entered <- c(hepatic_pfs = "g2 + g3 + pancreas", global_pfs = "g2 + g3 + pancreas + mad_gy", os = "g2 + g3 + mad_gy")
  for (endpoint in names(entered)) {
    d$time <- d[[paste0(endpoint, "_months")]]
    d$event <- d[[paste0(endpoint, "_event")]]
    curves("patients", endpoint, d$time, d$event)
    logrank("patients", endpoint, d$time, d$event, d$grade)
    for (model in unique(c("g2 + g3", "pancreas", "mad_gy", entered[[endpoint]], "g2 + g3 + pancreas + mad_gy")))
      hazards("patients", paste(endpoint, model), d, model)
  }
}

# ---------------------------------------------------------------- public data sets
if (present("aSAH.csv")) {
  d <- table_of("aSAH.csv")
  poor <- as.numeric(d$outcome == "Poor")
  for (score in c("s100b", "ndka", "wfns")) {
    roc_figures(paste("aSAH", score), d[[score]], poor)
    rank_sum("aSAH", score, d[[score]][poor == 1], d[[score]][poor == 0])
    rank_groups("aSAH", score, d[[score]], d$gos6)
  }
}
if (present("veteran.csv")) {
  d <- table_of("veteran.csv")
  d$event <- d$status
  for (cell in c("squamous", "smallcell", "adeno")) d[[cell]] <- as.numeric(d$celltype == cell)
  curves("veteran", "all", d$time, d$event)
  logrank("veteran", "celltype", d$time, d$event, d$celltype)
  hazards("veteran", "full", d, "trt + squamous + smallcell + adeno + karno + diagtime + age + prior")
}
if (present("colon.csv")) {
  for (etype in 1:2) {
    d <- table_of("colon.csv")
    d <- d[d$etype == etype, ]
    d$event <- d$status
    d$lev <- as.numeric(d$rx == "Lev")
    d$lev5fu <- as.numeric(d$rx == "Lev+5FU")
    term <- paste("etype", etype)
    curves("colon", term, d$time, d$event)
    logrank("colon", term, d$time, d$event, d$rx)
    hazards("colon", term, d, "lev + lev5fu + sex + age + obstruct + perfor + adhere + extent + surg + node4")
  }
}
if (present("cancer.csv")) {
  d <- table_of("cancer.csv")
  d$event <- d$status - 1
  curves("cancer", "all", d$time, d$event)
  logrank("cancer", "sex", d$time, d$event, d$sex)
  d$ecog <- d$ph.ecog
  d <- d[!is.na(d$ecog) & !is.na(d$wt.loss), ]
  hazards("cancer", "full", d, "age + sex + ecog + wt.loss")
}

write.csv(do.call(rbind, results), arguments[2], row.names = FALSE, quote = TRUE)
